import Audit
import Foundation
import Testing

@Suite("An erasure whose server is killed")
struct ErasureKilledTests {
  /// Creates a person and carries an erasure to its order; the server may die at any time after that.
  private func order(_ service: ServiceProcess, _ name: String) async throws -> (request: String, subject: String) {
    let admin = try Caller("admin", home: service.home)
    let officer = try Caller("officer", home: service.home)
    let second = try Caller("officer2", home: service.home)
    let created = try await service.call(
      "POST", "/profiles", as: admin, body: #"{"full_name":"\#(name)","email":"\#(name)@example.org"}"#)
    let profile = try #require(created.json["id"]?.string)
    let opened = try await service.call(
      "POST", "/privacy/data", as: officer, body: #"{"type":"erasure","profile_id":"\#(profile)"}"#)
    let request = try #require(opened.json["id"]?.string)
    let subject = try #require(opened.json["subject_id"]?.string)
    _ = try await service.call("POST", "/privacy/data/\(request):verify", as: officer, body: #"{"method":"login"}"#)
    _ = try await service.call("POST", "/privacy/data/\(request):approve", as: second)
    // The answer may be lost with the server; the order is committed before either.
    _ = try? await service.call("POST", "/privacy/data/\(request):execute", as: officer)
    return (request, subject)
  }

  @Test("completes after the next start, exactly once, whichever step it was killed after")
  func everyStep() async throws {
    try await withHome { home in
      let port = try ServiceProcess.freePort()
      var ordered: [(request: String, subject: String)] = []
      for step in ["tombstoned", "ledgered", "key_destroyed", "completed", "certified"] {
        let service = try ServiceProcess(
          ["dev", "--sample", "0"], home: home, port: port, environment: ["LETHE_KILL_AFTER": step])
        // Erasures of earlier rounds are resumed by this start and would meet the same fate: they are past this step
        // or behind it. A start that dies at once has done its work, too.
        do {
          try await service.ready()
          ordered.append(try await order(service, step.replacingOccurrences(of: "_", with: "-")))
        } catch let error as NotInTime where !service.isRunning {
          Issue.record("\(step): \(error)")
        }
        let end = try await service.end()
        #expect(end.bySignal && end.status == SIGKILL, "killed after \(step)")
        // What was left is finished before the next round begins, so that each round kills its own erasure.
        let healing = try ServiceProcess(["dev", "--sample", "0"], home: home, port: port)
        try await healing.ready()
        let officer = try Caller("officer", home: home)
        let request = try #require(ordered.last?.request)
        let done = try await eventually("the erasure killed after \(step)") {
          let answer = try await healing.call("GET", "/privacy/data/\(request)", as: officer)
          return answer.json["erasure"]?["step"]?.string == "certified" ? answer : nil
        }
        #expect(done.json["state"]?.string == "completed")
        healing.interrupt()
        #expect(try await healing.end().status == 0)
      }

      #expect(ordered.count == 5)
      let tenant = try Caller("officer", home: home).tenant
      let reader = ArchiveReader(folder: "\(home)/archive/\(tenant.uuidString.lowercased())")
      let note = try #require(try reader.checkpoint())
      let size = try Checkpoint(parsing: note.body).size
      var counts: [String: [String: Int]] = [:]
      for sequence in 0..<size {
        let record = try AuditRecord(body: try Entry(parsing: try reader.entry(at: sequence)).body)
        guard let subject = record.subject?.uuidString.lowercased() else { continue }
        counts[subject, default: [:]][record.action.rawValue, default: 0] += 1
      }
      let ledger = try ErasureLedger(path: home + "/archive/erasures/ledger").records()
      for (_, subject) in ordered {
        #expect(counts[subject]?["erasure.started"] == 1)
        #expect(counts[subject]?["erasure.completed"] == 1)
        #expect(counts[subject]?["request.completed"] == 1)
        #expect(ledger.filter { $0.subject.uuidString.lowercased() == subject }.count == 1)
      }
      let report = ArchiveVerifier(
        folder: "\(home)/archive/\(tenant.uuidString.lowercased())",
        keys: [
          try #require(
            NoteKey(
              String(
                decoding: FileManager.default.contents(
                  atPath: "\(home)/archive/\(tenant.uuidString.lowercased())/vkey") ?? Data(), as: UTF8.self
              ).trimmingCharacters(in: .newlines)))
        ], held: nil, ledger: ErasureLedger(path: home + "/archive/erasures/ledger")
      ).verify()
      #expect(report.findings == [])
      #expect(report.erasures == 5)
    }
  }
}
