import Audit
import Foundation
import Signing
import Synchronization

@testable import dsar

/// A witness, and a service that takes its cosignatures as the real one does.
final class WitnessHouse: Sendable {
  static let name = "witness.example"
  static let time: Int64 = 1_767_200_000

  let scratch: Scratch
  let identity: TestIdentity
  let key: SigningKey
  let state: WitnessState
  private let received = Mutex<[SignedNote]>([])

  init() throws {
    scratch = try Scratch()
    identity = try TestIdentity()
    key = try .generate(.ed25519)
    state = WitnessState(folder: scratch.file("state"))
  }

  var witness: WitnessKey { get throws { try WitnessKey(name: Self.name, key: key.publicKey) } }

  /// The notes that were handed in, each with a valid cosignature.
  var handedIn: [SignedNote] { received.withLock { $0 } }

  /// The sizes of what was handed in.
  var sizes: [UInt64] { get throws { try handedIn.map { try Checkpoint(parsing: $0.body).size } } }

  /// `route` with the place where cosignatures are handed in.
  func taking(_ route: @escaping FakeService.Route) throws -> FakeService.Route {
    let witness = try witness
    return { request in
      guard request.method == "POST", request.target == "/audit/cosignatures" else { return try route(request) }
      let type = request.headers.filter { $0.name == "Content-Type" }.map(\.value)
      guard type == ["text/plain; charset=utf-8"], let note = try? SignedNote(parsing: request.body),
        let lines = try? note.cosignatures(by: [witness]), lines.count == 1
      else { return .problem(422, "invalid-cosignature", "No.") }
      self.received.withLock { $0.append(note) }
      return Answer(status: 201, headers: [], body: Array("{}".utf8))
    }
  }

  /// One round against a service with those routes.
  @discardableResult
  func round(
    _ route: @escaping FakeService.Route, keys: [NoteKey] = [], tenant: UUID = TestIdentity.tenant,
    name: String = WitnessHouse.name, now: @escaping @Sendable () -> Int64 = { WitnessHouse.time }
  ) async throws -> WitnessRound.Outcome {
    let service = try FakeService(identity, try taking(route))
    return try await WitnessRound(
      remote: RemoteLog(client: try service.client(tenant: tenant)), state: state, key: key, name: name, keys: keys,
      now: now
    ).run()
  }
}
