import StrictJSON
import Synchronization
import Testing

@testable import dsar

@Suite("requests in a terminal")
struct RequestTests {
  private static let id = "7a0df9dc-9d53-40a6-9a0f-919cfb5331b4"

  private static func document(
    state: String, step: String?, note: String? = nil, stage: String = "issued"
  ) -> String {
    let erasure = step.map { step in
      let certificate = step == "certified" ? #""\#(stage)","key_epoch":3,"key_backups_dead_by":"2026-06-01""# : "null"
      return #","erasure":{"step":"\#(step)","erased_at":null,"log_sequence":41,"certificate":\#(certificate)}"#
    }
    return #"{"id":"\#(id)","type":"erasure","state":"\#(state)","profile_id":"p","opened_at":"t""#
      + (note.map { #","note":"\#($0)""# } ?? "") + (erasure ?? "") + "}"
  }

  private static func summary(_ text: String, withNote: Bool = false) throws -> RequestSummary {
    RequestSummary(try JSONValue(parsing: Array(text.utf8)), withNote: withNote)
  }

  @Test("the officer's note is shown on demand only")
  func notes() throws {
    let text = Self.document(state: "received", step: nil, note: "private")
    #expect(!(try Self.summary(text).json.prettyText().contains("private")))
    #expect(!(try Self.summary(text).pairs.contains { $0.1 == "private" }))
    #expect(try Self.summary(text, withNote: true).pairs.contains { $0 == ("note", "private") })
  }

  @Test("a request in one line and in full leaves out what it doesn't have")
  func forms() throws {
    let summary = try Self.summary(Self.document(state: "completed", step: "certified"))
    #expect(summary.row == [Self.id, "erasure", "completed", "issued", "p", "t"])
    #expect(
      summary.pairs.map { "\($0.0)=\($0.1)" } == [
        "request=\(Self.id)", "type=erasure", "state=completed", "profile=p", "opened=t", "erasure=certified",
        "log entry=41", "key epoch=3", "certificate=issued", "key backups dead=2026-06-01",
      ])
    let final = try Self.summary(Self.document(state: "completed", step: "certified", stage: "final"))
    #expect(final.isCertified)
    #expect(final.pairs.contains { $0 == ("certificate", "final") })
    let early = try Self.summary(Self.document(state: "completed", step: "completed"))
    #expect(!early.isCertified)
  }

  private func wait(_ documents: [String], limit: Duration) async throws -> (RequestSummary, notes: String, looks: Int)
  {
    let rest = Mutex(documents)
    let service = try FakeService(try TestIdentity()) { _ in
      .ok(rest.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] })
    }
    let record = Record()
    let wait = ErasureWait(
      limit: limit, pause: .milliseconds(20), client: try service.client(), console: record.console)
    let seen = try await wait.certified(try Self.summary(documents[0]))
    return (seen, record.takeNotes(), service.requests.count)
  }

  @Test("an erasure is followed step by step until its certificate is there")
  func certified() async throws {
    let steps = [
      ("executing", "ordered"), ("executing", "ledgered"), ("completed", "completed"), ("completed", "certified"),
    ]
    let (seen, notes, looks) = try await wait(steps.map { Self.document(state: $0.0, step: $0.1) }, limit: .seconds(60))
    #expect(seen.isCertified)
    #expect(notes == "erasure: ordered\nerasure: ledgered\nerasure: completed\nerasure: certified\n")
    #expect(looks == 4)
  }

  @Test("completed and not certified in time is done, with a note; less is a failure")
  func slow() async throws {
    let (seen, notes, _) = try await wait(
      [Self.document(state: "completed", step: "completed")], limit: .milliseconds(100))
    #expect(seen.state == "completed")
    #expect(notes.hasSuffix("completed; the certificate follows the next checkpoint of the log\n"))
    let failure = await failure {
      _ = try await wait([Self.document(state: "executing", step: "ordered")], limit: .milliseconds(100))
    }
    #expect(failure?.status == .refused)
    #expect(failure?.line.hasPrefix("the erasure is not completed yet (state executing)") == true)
  }

  @Test(
    "an id is a UUID of 36 characters, in lower case afterwards",
    arguments: [
      ("7A0DF9DC-9D53-40A6-9A0F-919CFB5331B4", id), (id, id), ("7a0df9dc9d5340a69a0f919cfb5331b4", nil), ("x", nil),
      (id + " ", nil), ("", nil),
    ] as [(String, String?)])
  func ids(text: String, id: String?) {
    #expect(ResourceID(argument: text)?.text == id)
  }
}
