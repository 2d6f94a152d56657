import Foundation
import Profiles
import ProfilesAPI
import Schema
import ServiceTesting
import Testing

@testable import Custody

@Suite("Another timeline", .serialized)
struct TimelineTests {
  private func status(_ running: RunningServer, _ path: String) async throws -> Int {
    try await running.send("GET", path, headers: []).status
  }

  @Test("a database that comes back older is not served until it is recovered, and then without a restart")
  func older() async throws {
    try await withRunningServer { running, installation, tenant in
      let person = try installation.issuer.person("admin", in: tenant)
      let created = try await running.call("POST", "/profiles", as: person, body: #"{"full_name":"Zoë Ñandú"}"#)
      #expect(created.status == 201)
      try await running.server.checkpointer.publish(tenant)
      let dump = try await installation.data.dump()
      let list = try await running.call("GET", "/profiles?limit=5", as: person)
      #expect(list.status == 200)
      try await running.server.checkpointer.publish(tenant)

      try await installation.data.restore(dump, owner: DatabaseRoles.owner)
      try await eventually { try await status(running, "/health/ready") == 503 }
      let refused = try await running.call("GET", "/profiles?limit=5", as: person)
      #expect(refused.status == 503)
      try await eventually {
        installation.log.lines.contains { $0.contains("nothing is served until `lethe recover` has run") }
      }
      #expect(try await status(running, "/health/live") == 200)

      let parts = try await ServerParts.open(
        installation.settings, as: "lethe-recover", logger: installation.log.logger)
      let outcome = try await parts.recovery(logger: installation.log.logger).run()
      await parts.close()
      #expect(outcome.left == [])
      try await eventually { try await status(running, "/health/ready") == 200 }
      let served = try await running.call("GET", "/profiles?limit=5", as: person)
      #expect(served.status == 200)
    }
  }

  @Test("a database that comes back as it was is served again by itself")
  func same() async throws {
    try await withRunningServer { running, installation, tenant in
      let person = try installation.issuer.person("admin", in: tenant)
      let created = try await running.call("POST", "/profiles", as: person, body: #"{"full_name":"Zoë Ñandú"}"#)
      #expect(created.status == 201)
      try await running.server.checkpointer.publish(tenant)
      let dump = try await installation.vault.dump()
      try await installation.vault.restore(dump, owner: DatabaseRoles.vaultOwner)
      try await eventually { installation.log.lines.contains { $0.contains("serving again") } }
      try await eventually { try await status(running, "/health/ready") == 200 }
      let list = try await running.call("GET", "/profiles?limit=5", as: person)
      #expect(list.status == 200)
    }
  }
}
