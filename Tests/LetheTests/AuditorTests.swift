import Foundation
import StrictJSON
import Testing

@Suite("dsar audit and a real service")
struct AuditorTests {
  private struct Result {
    let status: Int32
    let output: String
    let notes: String
    var json: JSONValue { (try? JSONValue(parsing: Array(output.utf8))) ?? .null }
  }

  /// Runs `dsar` in the folder above a home, and waits for its end.
  private func dsar(_ arguments: [String], home: String) async throws -> Result {
    let folder = (home as NSString).deletingLastPathComponent
    let name = folder + "/dsar-" + UUID().uuidString
    let process = Process()
    process.executableURL = URL(fileURLWithPath: ServiceProcess.programs + "/dsar")
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    let profile = ProcessInfo.processInfo.environment["LLVM_PROFILE_FILE"].map { ["LLVM_PROFILE_FILE": $0] } ?? [:]
    process.environment = ["DSAR_CONFIG": folder + "/config", "LETHE_HOME": home].merging(profile) { $1 }
    for file in [name + "-out", name + "-notes"] { _ = FileManager.default.createFile(atPath: file, contents: nil) }
    process.standardOutput = FileHandle(forWritingAtPath: name + "-out")
    process.standardError = FileHandle(forWritingAtPath: name + "-notes")
    process.standardInput = FileHandle.nullDevice
    let status: Int32 = try await withCheckedThrowingContinuation { continuation in
      process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
      do { try process.run() } catch { continuation.resume(throwing: error) }
    }
    func text(_ file: String) -> String {
      String(decoding: FileManager.default.contents(atPath: file) ?? Data(), as: UTF8.self)
    }
    return Result(status: status, output: text(name + "-out"), notes: text(name + "-notes"))
  }

  @Test("an auditor lists, proves, copies and verifies the log, and a witness's cosignature comes back with it")
  func audit() async throws {
    try await withHome { home in
      let folder = (home as NSString).deletingLastPathComponent
      let made = try await dsar(
        ["audit", "witness", "init", "--name", "witness.test", "--key-file", "w.pem"], home: home)
      #expect(made.status == 0)
      let witness = String(made.output.dropLast())
      try FileManager.default.createDirectory(atPath: folder + "/policies", withIntermediateDirectories: true)
      let policy = #"{"schema":"witnesses/v1","witnesses":[{"key":"\#(witness)"}]}"#
      try Data(policy.utf8).write(to: URL(fileURLWithPath: folder + "/policies/witnesses.json"))

      let port = try ServiceProcess.freePort()
      let service = try ServiceProcess(
        ["dev", "--sample", "3"], home: home, port: port, environment: ["LETHE_POLICIES": folder + "/policies"])
      try await service.ready()
      let admin = try Caller("admin", home: home)
      let people = try await service.call("GET", "/profiles", as: admin)
      #expect(people.status == 200)
      let login = try await dsar(["login", "--dev", "--as", "auditor", "--home", home], home: home)
      #expect(login.status == 0, "\(login.notes)")

      // Reading.
      let list = try await dsar(["audit", "list", "--action", "profile.*", "--json"], home: home)
      #expect(list.status == 0, "\(list.notes)")
      let items = list.json["items"]?.array ?? []
      #expect(items.count == 3 || items.count == 6)
      #expect(items.allSatisfy { $0["action"]?.string?.hasPrefix("profile.") == true })
      let sequences = items.compactMap { $0["seq"]?.integer }
      #expect(sequences == sequences.sorted(by: >))
      let reads = try await dsar(["audit", "list", "--action", "log.read", "--limit", "1", "--csv"], home: home)
      #expect(reads.output.split(separator: "\n").count == 2)
      let day = String((items.first?["time"]?.string ?? "").prefix(10))
      let of = try await dsar(["audit", "list", "--from", day, "--to", day, "--limit", "500", "--json"], home: home)
      #expect((of.json["items"]?.array?.count ?? 0) > items.count)
      #expect(of.json["items"]?.array?.last?["seq"]?.integer == 0)
      let none = try await dsar(["audit", "list", "--to", "2020-01-01", "--json"], home: home)
      #expect(none.json["items"]?.array?.isEmpty == true)

      // Proofs.
      let key = try #require(
        try await eventually("the log's key") {
          let key = try await dsar(["api", "GET", "/audit/key", "--raw"], home: home)
          return key.status == 0 ? String(key.output.split(separator: "\n")[0]) : nil
        })
      let sequence = "\(sequences.first ?? 0)"
      let shown = try await eventually("the entry's checkpoint") {
        let shown = try await dsar(["audit", "show", sequence, "--key", key], home: home)
        return shown.status == 0 ? shown : nil
      }
      #expect(shown.output.hasSuffix("\nvalid\n"))
      let receipt = try await dsar(["audit", "receipt", sequence, "--out", "proof", "--key", key], home: home)
      #expect(receipt.status == 0, "\(receipt.notes)")
      let offline = try await dsar(
        ["audit", "receipt", "verify", "proof", "--entry", "proof.entry", "--key", key], home: home)
      #expect(offline.status == 0, "\(offline.notes)")

      // Witnessing.
      let run = ["audit", "witness", "run", "--state", "state", "--key-file", "w.pem", "--name", "witness.test"]
      let first = try await dsar(run + ["--key", key, "--json"], home: home)
      #expect(first.status == 0, "\(first.notes)")
      #expect(first.json["outcome"]?.string == "cosigned")
      let size = try #require(first.json["size"]?.integer)
      let cosigned = try await dsar(["audit", "witness", "list", "--json"], home: home)
      #expect(cosigned.json["items"]?.array?.first?["size"]?.integer == size)
      #expect(cosigned.json["items"]?.array?.first?["witness"]?.string == "witness.test")
      // Looking at the log is an entry, so that the log grows.
      #expect(try await dsar(["audit", "list", "--limit", "1"], home: home).status == 0)
      let later = try await eventually("a further checkpoint") {
        let later = try await dsar(run + ["--json"], home: home)
        #expect(later.status == 0, "\(later.notes)")
        return later.json["size"]?.integer == size ? nil : later
      }
      #expect(later.json["outcome"]?.string == "cosigned")
      #expect(try await dsar(["audit", "witness", "status", "--state", "state"], home: home).status == 0)

      // A copy.
      let copied = try await dsar(["audit", "export", "--out", "copy", "--key", key, "--json"], home: home)
      #expect(copied.status == 0, "\(copied.notes)")
      let again = try await dsar(["audit", "export", "--out", "copy", "--json"], home: home)
      #expect(again.status == 0, "\(again.notes)")
      let verified = try await dsar(["audit", "verify", "copy", "--key", key, "--json"], home: home)
      #expect(verified.status == 0, "\(verified.output)")

      // What the service refuses says why.
      let noCursor = try await dsar(["api", "GET", "/audit/entries?cursor=x"], home: home)
      #expect(noCursor.status == 1)
      let values = try await dsar(["audit", "list", "--values"], home: home)
      #expect(values.status == 1)
      #expect(values.notes.contains("403"))
      service.interrupt()
      #expect(try await service.end().status == 0)
    }
  }
}
