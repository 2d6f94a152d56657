import Custody
import Foundation
import ServiceTesting
import Testing

@Suite("Scheduled rotation")
struct ScheduledRotationTests {
  @Test("a service rotates an epoch that is due by itself, and goes on answering")
  func byItself() async throws {
    try await withInstallation { installation in
      let tenant = TenantID(UUID())
      var settings = installation.settings
      settings.rotationDays = 0
      settings.vaultBackups = installation.vaultBackups
      var due = installation
      due.settings = settings
      let server = try await due.server(tenant: tenant)
      let running = try await RunningServer.start(server)
      do {
        var retired: [Int32] = []
        for _ in 0..<1_800 where retired.isEmpty {
          try await Task.sleep(for: .milliseconds(50))
          retired = try await server.custody.retiredEpochs().map(\.epoch)
        }
        #expect(retired == [1])
        let health = try await running.send("GET", "/health/ready", headers: [])
        #expect(health.status == 200)
        await running.stop()
      } catch {
        await running.stop()
        throw error
      }
    }
  }

  @Test("without a role for backups a rotation waits before its end, and says so in the log")
  func withoutBackups() async throws {
    try await withInstallation { installation in
      let tenant = TenantID(UUID())
      var due = installation
      due.settings.rotationDays = 0
      let server = try await due.server(tenant: tenant)
      let running = try await RunningServer.start(server)
      do {
        var waiting: String?
        for _ in 0..<1_800 where waiting == nil {
          try await Task.sleep(for: .milliseconds(50))
          waiting = try await server.custody.rotation()?.waitingFor
        }
        #expect(waiting == "vault_backup")
        #expect(server.custody.keyringEpochs.map(\.number.rawValue) == [1, 2])
        await running.stop()
        let said = installation.log.lines.filter { $0.contains("BACKUP_VAULT_DATABASE_URL") }
        #expect(!said.isEmpty)
      } catch {
        await running.stop()
        throw error
      }
    }
  }
}
