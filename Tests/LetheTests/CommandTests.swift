import Foundation
import Testing

@Suite("lethe's commands")
struct CommandTests {
  private func run(_ arguments: [String], home: String, environment: [String: String] = [:]) async throws -> (
    status: Int32, printed: String
  ) {
    let process = try ServiceProcess(arguments, home: home, port: 1, environment: environment)
    return (try await process.end().status, process.printed)
  }

  @Test(
    "help names every command, with examples and exit statuses",
    arguments: ["serve", "dev", "migrate", "keys", "tenant", "archive", "backup", "restore", "recover", "hold"])
  func help(command: String) async throws {
    try await withHome { home in
      let whole = try await run(["--help"], home: home)
      #expect(whole.status == 0)
      #expect(whole.printed.contains("EXIT STATUS") && whole.printed.contains("EXAMPLES"))
      #expect(whole.printed.contains("  \(command) "))
      #expect(try await run([command, "--help"], home: home).status == 0)
    }
  }

  @Test("keys init makes both files for their owner only, and overwrites neither")
  func keysInit() async throws {
    try await withHome { home in
      let made = try await run(["keys", "init"], home: home)
      #expect(made.status == 0)
      for file in ["keyring", "signing-key.pem"] {
        let attributes = try FileManager.default.attributesOfItem(atPath: home + "/" + file)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
      }
      let before = FileManager.default.contents(atPath: home + "/keyring")
      let again = try await run(["keys", "init"], home: home)
      #expect(again.status == 1)
      #expect(again.printed.hasPrefix("lethe: "))
      #expect(FileManager.default.contents(atPath: home + "/keyring") == before)

      let status = try await run(["keys", "status"], home: home)
      #expect(status.status == 0)
      #expect(status.printed.contains("active"))
      let json = try await run(["keys", "status", "--json"], home: home)
      #expect(json.printed.contains("\"installation\""))
    }
  }

  @Test("serve says which variable is missing, and prints none that is there")
  func missingVariable() async throws {
    try await withHome { home in
      let none = try await run(["serve"], home: home)
      #expect(none.status == 1)
      #expect(none.printed.contains("DATABASE_URL is not set"))
      let some = try await run(
        ["serve"], home: home, environment: ["DATABASE_URL": "postgresql://u:hunter2@localhost/x"])
      #expect(some.status == 1)
      #expect(some.printed.contains("WORKER_DATABASE_URL is not set"))
      #expect(!some.printed.contains("hunter2"))
    }
  }

  @Test("a wrong command line ends with 64")
  func usage() async throws {
    try await withHome { home in
      let lines = [
        ["no-such-command"], ["dev", "--sample", "-1"], ["tenant", "create", "--kind", "x", "--name", "y"],
      ]
      for line in lines {
        let status = try await run(line, home: home).status
        #expect(status == 64, "\(line)")
      }
    }
  }
}
