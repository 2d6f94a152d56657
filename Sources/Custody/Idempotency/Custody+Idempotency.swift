import Foundation
import Postgres
import Schema
import Signing
import Vault

extension Custody {
  /// How long one attempt may take before another may take it over.
  static let lease: Int64 = 60_000_000
  /// How long an answer is kept.
  static let keepsAnswersFor: Int64 = 86_400_000_000

  private enum Found: Sendable {
    case claimed([UInt8])
    case kept(IdempotencyStore.Kept)
    /// Released between the attempt to claim it and the look at who has.
    case gone
  }

  /// Claims a request, or says what became of it. Call after authentication, authorisation and the proof.
  ///
  /// The key and the payload are stored as keyed digests under a random key of the day, since a bare hash of a body
  /// with an address in it could be guessed. `payload` is the raw body, content type and query, without token and
  /// proof. Replaying an answer about a subject is itself an audited read.
  public func claim(_ scope: IdempotencyScope, payload: [UInt8], _ context: AccessContext) async throws
    -> IdempotencyOutcome
  {
    try await translating {
      let now = Microseconds.now()
      let today = Int32(now / 86_400_000_000)
      let todayKey = try await keys.dayKey(today, tenant: context.tenant)
      let yesterdayKey = try await keys.dayKey(today - 1, tenant: context.tenant)
      let tag = try todayKey.tag(.idempotency, "key:" + scope.text)
      let tagBefore = try yesterdayKey.tag(.idempotency, "key:" + scope.text)
      let digest = "payload:" + SHA256Digest.hash(payload).hex
      let prints = [
        today: try todayKey.tag(.idempotency, digest), today - 1: try yesterdayKey.tag(.idempotency, digest),
      ]
      let fence = UUID()
      let found = try await data.transaction(settings: context.settings) { transaction -> Found in
        if let kept = try IdempotencyStore.find([tag, tagBefore], tenant: context.tenant, in: transaction) {
          guard !kept.completed, kept.leaseUntil < now, prints[kept.day] == kept.fingerprint else { return .kept(kept) }
          try IdempotencyStore.takeOver(
            kept.keyTag, fence: fence, leaseUntil: now + Self.lease, tenant: context.tenant, in: transaction)
          return .claimed(kept.keyTag)
        }
        let claimed = try IdempotencyStore.claim(
          tag, day: today, fingerprint: prints[today] ?? [], fence: fence, leaseUntil: now + Self.lease,
          tenant: context.tenant, at: now, in: transaction)
        if claimed { return .claimed(tag) }
        return try IdempotencyStore.find([tag], tenant: context.tenant, in: transaction).map(Found.kept) ?? .gone
      }
      let kept: IdempotencyStore.Kept
      switch found {
      case .claimed(let tag): return .proceed(IdempotencyClaim(keyTag: tag, fence: fence))
      case .gone: return .running
      case .kept(let found): kept = found
      }
      guard let expected = prints[kept.day], constantTimeEqual(expected, kept.fingerprint) else { return .mismatched }
      guard kept.completed, let status = kept.status else { return .running }
      guard let subject = kept.subject, let sealed = kept.sealed else {
        return .replay(KeptAnswer(status: status, headers: kept.headers, body: kept.plain ?? []))
      }
      do {
        let body = try await read(context, of: [subject], codes: ["replay": "idempotency_key"]) { opener in
          try opener.bytes(
            sealed, as: .idempotentAnswer, row: IdempotencyStore.row(of: kept.keyTag), of: subject)
        }
        return .replay(KeptAnswer(status: status, headers: kept.headers, body: body))
      } catch let error as CustodyError where error.code == .erased {
        return .erased
      }
    }
  }

  /// Keeps an answer that no unit of work made: a refusal by a rule. Must hold no personal value.
  public func keep(_ answer: KeptAnswer, for claim: IdempotencyClaim, _ context: AccessContext) async throws {
    try await translating {
      try await data.transaction(settings: context.settings) { transaction in
        _ = try IdempotencyStore.complete(
          claim, status: answer.status, headers: answer.headers, subject: nil, sealed: nil, plain: answer.body,
          tenant: context.tenant, in: transaction)
      }
    }
  }

  /// Lets go of a claim, so that the request can be tried again: nothing was done.
  public func release(_ claim: IdempotencyClaim, _ context: AccessContext) async throws {
    try await translating {
      try await data.transaction(settings: context.settings) { transaction in
        try IdempotencyStore.release(claim, tenant: context.tenant, in: transaction)
      }
    }
  }
}
