import Audit
import Custody
import Foundation
import Hummingbird
import NIOPosix
import Tokens

/// `/audit`: the tenant's published log, as static files, so that an auditor's tool, or a public one, can follow it.
/// Nothing in them is personal.
struct AuditRoutes {
  let checkpointer: Checkpointer
  let ledger: ErasureLedger
  let gate: Gate
  let threads: NIOThreadPool

  func add(to router: Router<APIContext>) {
    let checkpointer = checkpointer
    let ledger = ledger
    let threads = threads
    router.get(
      "/audit/key",
      use: gate.admitting(.auditRead, purpose: .operation) { call in
        .bytes(
          Array((try checkpointer.signer(of: call.context.tenant).verifierKey().text + "\n").utf8), type: "text/plain")
      })
    router.get(
      "/audit/checkpoint",
      use: gate.admitting(.auditRead, purpose: .operation) { call in
        try await Self.file("checkpoint", of: call, checkpointer, threads, type: "text/plain")
      })
    router.get(
      "/audit/ledger",
      use: gate.admitting(.auditRead, purpose: .operation) { call in
        let tenant = call.context.tenant.uuid
        let lines = try await threads.runIfActive {
          try ledger.records().filter { $0.tenant == tenant }.compactMap(\.line).joined()
        }
        return .bytes(Array(lines.utf8), type: "text/plain")
      })
    router.get(
      "/audit/tile/**",
      use: gate.admitting(.auditRead, purpose: .operation) { call in
        let path = "tile/" + call.parameters.getCatchAll().joined(separator: "/")
        // Only what the strict parser takes for a tile's path reaches the file system.
        guard let tile = TilePath(path), tile.text == path else { throw Problem.notFound() }
        return try await Self.file(path, of: call, checkpointer, threads, type: "application/octet-stream")
      })
  }

  private static func file(
    _ name: String, of call: Call, _ checkpointer: Checkpointer, _ threads: NIOThreadPool, type: String
  ) async throws -> Response {
    let path = checkpointer.folder(of: call.context.tenant) + "/" + name
    let contents = try await threads.runIfActive { FileManager.default.contents(atPath: path) }
    guard let contents else { throw Problem.notFound() }
    return .bytes(Array(contents), type: type)
  }
}
