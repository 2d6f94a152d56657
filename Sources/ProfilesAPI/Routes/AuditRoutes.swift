import Audit
import Custody
import Foundation
import HTTPTypes
import Hummingbird
import NIOPosix
import Signing
import StrictJSON
import Tokens

/// `/audit`: the tenant's published log, as static files, so that an auditor's tool, or a public one, can follow it.
/// Nothing in them is personal.
struct AuditRoutes {
  let checkpointer: Checkpointer
  let log: LogReading
  let ledger: ErasureLedger
  let gate: Gate
  let threads: NIOThreadPool

  func add(to router: Router<APIContext>) {
    let checkpointer = checkpointer
    let log = log
    let ledger = ledger
    let threads = threads
    router.get(
      "/audit/key",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        let tenant = call.context.tenant
        let path = checkpointer.folder(of: tenant) + "/vkey"
        let bytes = try await threads.runIfActive {
          // Before the first publication there is one key, and no file yet.
          try FileManager.default.contents(atPath: path).map(Array.init)
            ?? Array((checkpointer.signer(of: tenant).verifierKey().text + "\n").utf8)
        }
        return StaticFile(bytes, .text, .changes).response(to: call.request)
      })
    router.get(
      "/audit/checkpoint",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        guard let note = try await log.checkpoint(call.context) else { throw Problem.notFound() }
        return StaticFile(Array(note.text.utf8), .text, .changes).response(to: call.request)
      })
    router.get(
      "/audit/checkpoints",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        let query = try ListQuery(call.request, allowed: ["above", "limit"])
        let above = try query.value("above", Self.size)
        let found = try await log.checkpoints(above: above, limit: query.limit(), call.context)
        return try .json(
          .object([
            JSONMember(
              "items",
              .array(found.map { .object([JSONMember("size", .integer($0.size)), member("note", $0.note)]) }))
          ]))
      })
    router.get(
      "/audit/checkpoints/{size}",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        try await Self.file("checkpoints/" + Self.twentyDigits(call, "size"), of: call, checkpointer, threads, .text)
      })
    router.get(
      "/audit/segments/{number}",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        try await Self.file("segments/" + Self.twentyDigits(call, "number"), of: call, checkpointer, threads, .text)
      })
    router.get(
      "/audit/retention",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        try await Self.file("retention", of: call, checkpointer, threads, .text, .changes)
      })
    router.get(
      "/audit/ledger",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        let tenant = call.context.tenant.uuid
        let lines = try await threads.runIfActive {
          var lines: [UInt8] = []
          try ledger.forEach { record in
            if record.tenant == tenant, let line = record.line { lines += line.utf8 }
          }
          return lines
        }
        return StaticFile(lines, .text, .changes).response(to: call.request)
      })
    router.get(
      "/audit/tile/**",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        let path = "tile/" + call.parameters.getCatchAll().joined(separator: "/")
        // Only what the strict parser takes for a tile's path reaches the file system.
        guard let tile = TilePath(path), tile.text == path else { throw Problem.notFound() }
        return try await Self.file(path, of: call, checkpointer, threads, .bytes)
      })
  }

  private static func file(
    _ name: String, of call: Call, _ checkpointer: Checkpointer, _ threads: NIOThreadPool, _ type: StaticFile.MediaType,
    _ lifetime: StaticFile.Lifetime = .forEver
  ) async throws -> Response {
    let path = checkpointer.folder(of: call.context.tenant) + "/" + name
    let contents = try await threads.runIfActive { FileManager.default.contents(atPath: path) }
    guard let contents else { throw Problem.notFound() }
    return StaticFile(Array(contents), type, lifetime).response(to: call.request)
  }

  /// A path parameter of exactly twenty digits, as the archive names its files.
  private static func twentyDigits(_ call: Call, _ name: String) throws -> String {
    guard let text = call.parameters.get(name), text.utf8.count == 20,
      text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { throw Problem.notFound() }
    return text
  }

  /// The size of a log in decimal digits, without leading zeros.
  private static func size(_ text: String) -> UInt64? {
    guard let size = UInt64(text), String(size) == text else { return nil }
    return size
  }
}
