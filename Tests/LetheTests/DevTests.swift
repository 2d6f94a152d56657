import Foundation
import Glibc
import Signing
import Testing
import Tokens

@Suite("lethe dev")
struct DevTests {
  /// Whether a process is there.
  private func exists(_ pid: Int32) -> Bool { kill(pid, 0) == 0 }

  /// The private PostgreSQL's first process.
  private func postmaster(_ home: String) throws -> Int32 {
    let file = try String(contentsOfFile: home + "/postgres/pgdata/postmaster.pid", encoding: .utf8)
    return try #require(Int32(file.split(separator: "\n")[0]))
  }

  @Test("starts from nothing, reuses its data at the second start, stops everything on Ctrl-C")
  func lifecycle() async throws {
    try await withHome { home in
      let port = try ServiceProcess.freePort()
      let first = try ServiceProcess(["dev", "--sample", "3"], home: home, port: port)
      try await first.ready()
      #expect(first.printed.contains("serving http://localhost:\(port)"))
      #expect(first.printed.contains("dsar login --dev --as officer"))
      let admin = try Caller("admin", home: home)
      let people = try await first.call("GET", "/profiles", as: admin).json["items"]?.array
      #expect(people?.count == 3)
      let postgres = try postmaster(home)
      #expect(exists(postgres))
      first.interrupt()
      let end = try await first.end()
      #expect(end.status == 0 && !end.bySignal)
      #expect(!exists(postgres))

      let second = try ServiceProcess(["dev", "--sample", "3"], home: home, port: port)
      try await second.ready()
      let again = try await second.call("GET", "/profiles", as: try Caller("admin", home: home)).json["items"]?.array
      #expect(again?.compactMap { $0["id"]?.string } == people?.compactMap { $0["id"]?.string })

      // Killed, it takes PostgreSQL with it, and the next start recovers.
      let orphan = try postmaster(home)
      second.killHard()
      #expect(try await second.end().bySignal)
      _ = try await eventually("the end of PostgreSQL") { exists(orphan) ? nil : true }
      let third = try ServiceProcess(["dev", "--sample", "3"], home: home, port: port)
      try await third.ready()
      let count = try await third.call("GET", "/profiles", as: try Caller("admin", home: home)).json["items"]?.array
      #expect(count?.count == 3)
      third.interrupt()
      #expect(try await third.end().status == 0)
    }
  }

  @Test("takes tokens of an issuer that it is given, and then has no identities of its own")
  func ownIssuer() async throws {
    try await withHome { home in
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      let issuer = TokenIssuer(
        issuer: "https://id.example.test", audience: "mine", keyID: "k1", key: try SigningKey.generate(.ed25519))
      try Data(try JWKSet([issuer.jwk]).document()).write(to: URL(fileURLWithPath: home + "/set.json"))
      let port = try ServiceProcess.freePort()
      let service = try ServiceProcess(
        ["dev", "--sample", "0"], home: home, port: port,
        environment: [
          "TOKEN_ISSUER": "https://id.example.test", "TOKEN_AUDIENCE": "mine", "TOKEN_JWKS": home + "/set.json",
        ])
      try await service.ready()
      #expect(!FileManager.default.fileExists(atPath: home + "/dev/issuer.pem"))
      let known = try String(contentsOfFile: home + "/dev/identities.json", encoding: .utf8)
      #expect(!known.contains("officer"))
      service.interrupt()
      #expect(try await service.end().status == 0)
    }
  }

  /// What a start says that must fail: one line, exit status 1.
  private func complaint(_ home: String, port: Int? = nil, environment: [String: String] = [:]) async throws -> String {
    let process = try ServiceProcess(
      ["dev", "--sample", "0"], home: home, port: try port ?? ServiceProcess.freePort(), environment: environment)
    let end = try await process.end()
    #expect(end.status == 1 && !end.bySignal)
    let lines = process.printed.split(separator: "\n").filter { $0.hasPrefix("lethe: ") }
    #expect(lines.count == 1, "\(process.printed)")
    return String(lines.first ?? "")
  }

  @Test("a taken port is one clear line")
  func takenPort() async throws {
    try await withHome { home in
      let port = try ServiceProcess.freePort()
      let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(socket) }
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = in_port_t(UInt16(port).bigEndian)
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      let listening = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 && listen(socket, 1) == 0
        }
      }
      #expect(listening)
      let line = try await complaint(home, port: port)
      #expect(line.contains("HTTP_PORT") && line.contains("\(port)"))
    }
  }

  @Test("a data folder that isn't ours is one clear line, and is left as it was")
  func foreignFolder() async throws {
    try await withHome { home in
      try FileManager.default.createDirectory(atPath: home + "/postgres", withIntermediateDirectories: true)
      try Data("mine".utf8).write(to: URL(fileURLWithPath: home + "/postgres/thesis.txt"))
      let line = try await complaint(home)
      #expect(line.contains("postgres"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: home + "/postgres") == ["thesis.txt"])
    }
  }

  @Test(
    "a keyring that can't be used is one clear line",
    arguments: [("garbage", 0o600), ("", 0o600), ("garbage", 0o644)])
  func keyring(contents: String, mode: Int) async throws {
    try await withHome { home in
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      _ = FileManager.default.createFile(
        atPath: home + "/keyring", contents: Data(contents.utf8), attributes: [.posixPermissions: mode])
      let line = try await complaint(home)
      #expect(line.contains("keyring"))
      #expect(!line.contains("garbage"))
    }
  }

  @Test(
    "a variable that is wrong is named and its value is not shown",
    arguments: [
      ("OPS_PORT", "secret-value"), ("CHECKPOINT_SECONDS", "secret-value"), ("LETHE_LOG_LEVEL", "secret-value"),
      ("TOKEN_JWKS", "ftp://secret-value"), ("TOKEN_JWKS", "http://secret-value"),
    ])
  func wrongVariable(name: String, value: String) async throws {
    try await withHome { home in
      let line = try await complaint(home, environment: [name: value])
      #expect(line.contains(name))
      #expect(!line.contains("secret-value"))
    }
  }
}
