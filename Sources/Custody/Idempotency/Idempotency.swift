import Foundation
import Schema

/// What makes two requests the same: who asks, for what, under which Idempotency-Key.
public struct IdempotencyScope: Sendable, Hashable {
  /// The client of the token.
  public let client: String
  /// Who acts.
  public let actor: ActorID
  /// The method and the route's path as it was requested.
  public let operation: String
  /// The Idempotency-Key, at most 255 bytes.
  public let key: String

  /// Names one scope.
  public init(client: String, actor: ActorID, operation: String, key: String) {
    self.client = client
    self.actor = actor
    self.operation = operation
    self.key = key
  }

  /// Length-prefixed parts, so that no two scopes are spelled alike.
  var text: String {
    [client, actor.description, operation, key].map { "\($0.utf8.count):\($0)" }.joined()
  }
}

/// The right to carry out one request, once. Fenced: when its lease has passed to another attempt, what it did is
/// not committed.
public struct IdempotencyClaim: Sendable {
  let keyTag: [UInt8]
  let fence: UUID
}

/// An answer, kept for 24 hours for repetitions of its request.
public struct KeptAnswer: Sendable, Equatable {
  /// The HTTP status.
  public let status: Int
  /// The fields that belong to the answer, for example `Location` and `ETag`. Never a personal value.
  public let headers: [String: String]
  /// The body's bytes.
  public let body: [UInt8]

  /// An answer as it was, or will be, sent.
  public init(status: Int, headers: [String: String] = [:], body: [UInt8]) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

/// What to do with a request that carries an Idempotency-Key.
public enum IdempotencyOutcome: Sendable {
  /// Carry it out; the claim goes with it.
  case proceed(IdempotencyClaim)
  /// It was carried out: answer this.
  case replay(KeptAnswer)
  /// It is being carried out right now.
  case running
  /// The key was used for another payload.
  case mismatched
  /// The answer was about a subject that is erased.
  case erased
}

/// How a unit of work keeps its result as the answer to repetitions: the claim, and the rendering of the result.
public struct Answering<Value>: Sendable {
  let claim: IdempotencyClaim
  let render: @Sendable (Value) throws -> KeptAnswer

  /// Keeps `render`'s answer in the unit that makes the value.
  public init(claim: IdempotencyClaim, render: @escaping @Sendable (Value) throws -> KeptAnswer) {
    self.claim = claim
    self.render = render
  }
}

extension UnitOfWork {
  /// Keeps the answer to this request, committed with everything else in the unit. With `personal` the answer's
  /// body is sealed under that subject's key, and gone with it.
  public func keep<Value>(_ value: Value, _ answering: Answering<Value>?, personal subject: SubjectID? = nil) throws {
    guard let answering else { return }
    let answer = try answering.render(value)
    let row = IdempotencyStore.row(of: answering.claim.keyTag)
    let sealed = try subject.map { try seal(bytes: answer.body, as: .idempotentAnswer, row: row, of: $0) }
    let kept = try IdempotencyStore.complete(
      answering.claim, status: answer.status, headers: answer.headers, subject: subject, sealed: sealed,
      plain: sealed == nil ? answer.body : nil, tenant: context.tenant, in: database)
    guard kept else { throw CustodyError(.fenced) }
  }
}
