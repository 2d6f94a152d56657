import AsyncHTTPClient
import Foundation
import Glibc
import NIOCore
import NIOHTTP1
import PostgresTesting
import Signing
import StrictJSON
import Tokens

/// A real `lethe` process with a home, an environment and an output of its own.
final class ServiceProcess: @unchecked Sendable {
  // Used by one test at a time; Foundation's Process is a class without isolation.
  private let process = Process()
  let home: String
  let port: Int
  let output: String

  /// The folder of the built programs: the test program's own.
  static let programs: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (own as NSString).deletingLastPathComponent
  }()

  init(_ arguments: [String], home: String, port: Int, environment: [String: String] = [:]) throws {
    self.home = home
    self.port = port
    output = home + "-output"
    process.executableURL = URL(fileURLWithPath: Self.programs + "/lethe")
    process.arguments = arguments
    var variables = [
      "LETHE_HOME": home, "HTTP_PORT": "\(port)", "OPS_PORT": "0", "PATH": "/usr/bin:/bin",
    ]
    for name in ["LLVM_PROFILE_FILE", "LETHE_PROFILES"] {
      if let value = ProcessInfo.processInfo.environment[name] { variables[name] = value }
    }
    variables.merge(environment) { _, new in new }
    process.environment = variables
    _ = FileManager.default.createFile(atPath: output, contents: nil)
    let handle = FileHandle(forWritingAtPath: output)
    process.standardOutput = handle
    process.standardError = handle
    process.standardInput = FileHandle.nullDevice
    try process.run()
  }

  var pid: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }
  var printed: String { String(decoding: FileManager.default.contents(atPath: output) ?? Data(), as: UTF8.self) }

  /// Waits for the end, at most half a minute, and says how it came.
  func end() async throws -> (status: Int32, bySignal: Bool) {
    for _ in 0..<600 {
      if !process.isRunning { return (process.terminationStatus, process.terminationReason == .uncaughtSignal) }
      try await Task.sleep(for: .milliseconds(50))
    }
    process.terminate()
    throw NotInTime(what: "the end of lethe: \(printed)")
  }

  /// Waits until requests are answered.
  func ready() async throws {
    for _ in 0..<600 {
      guard process.isRunning else { throw NotInTime(what: "lethe, which ended: \(printed)") }
      if let answer = try? await send("GET", "/health/ready"), answer.status == 200 { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw NotInTime(what: "readiness: \(printed)")
  }

  func interrupt() { kill(pid, SIGINT) }
  func killHard() { kill(pid, SIGKILL) }

  /// A port that nobody listens on at the moment.
  static func freePort() throws -> Int {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(socket, address, length) == 0 && getsockname(socket, address, &length) == 0
      }
    }
    guard bound else { throw NotInTime(what: "a free port") }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  struct Answer {
    let status: Int
    let body: [UInt8]
    var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
  }

  func send(_ method: String, _ path: String, headers: [(String, String)] = [], body: String? = nil) async throws
    -> Answer
  {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
    request.method = .init(rawValue: method)
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let body { request.body = .bytes(ByteBuffer(string: body)) }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
    let collected = try await response.body.collect(upTo: 16 * 1024 * 1024)
    return Answer(status: Int(response.status.code), body: Array(collected.readableBytesView))
  }

  /// Calls with a token and a fresh proof.
  func call(_ method: String, _ path: String, as caller: Caller, body: String? = nil) async throws -> Answer {
    let proof = try caller.signer.proof(
      method: method, url: "http://localhost:\(port)\(path.split(separator: "?")[0])", accessToken: caller.token,
      now: UnixClock.now())
    var headers = [("Authorization", "DPoP \(caller.token)"), ("DPoP", proof)]
    if method == "POST" { headers.append(("Idempotency-Key", UUID().uuidString)) }
    if body != nil { headers.append(("Content-Type", "application/json")) }
    return try await send(method, path, headers: headers, body: body)
  }
}

/// Somebody with a token of the development issuer, made as `dsar login --dev` makes it.
struct Caller {
  let token: String
  let signer: ProofSigner
  let tenant: UUID

  init(_ name: String, home: String) throws {
    let bytes = Array(FileManager.default.contents(atPath: home + "/dev/identities.json") ?? Data())
    let document = try JSONValue(parsing: bytes)
    let key = try SigningKey(pem: Array(FileManager.default.contents(atPath: home + "/dev/issuer.pem") ?? Data()))
    guard let issuer = document["issuer"]?.string, let audience = document["audience"]?.string,
      let tenant = document["tenant_id"]?.string.flatMap({ UUID(uuidString: $0) }),
      let person = document["identities"]?[name], let subject = person["sub"]?.string,
      let client = person["client_id"]?.string, let scope = person["scope"]?.string
    else { throw NotInTime(what: "the development identity \(name)") }
    signer = ProofSigner(key: try SigningKey.generate(.es256))
    token = try TokenIssuer(issuer: issuer, audience: audience, keyID: "dev", key: key).accessToken(
      subject: subject, clientID: client, tenant: tenant,
      scopes: Set(scope.split(separator: " ").compactMap { Scope(rawValue: String($0)) }),
      boundTo: signer.thumbprint, lifetime: 3_600, now: UnixClock.now())
    self.tenant = tenant
  }
}

struct NotInTime: Error, CustomStringConvertible {
  let what: String
  var description: String { "waited in vain for \(what)" }
}

/// Lends a folder for a home, and removes it with everything beside it afterwards.
func withHome<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  try await TestSlots.withSlot {
    let folder = NSTemporaryDirectory() + "lethe-process-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder + "/home")
  }
}

/// Asks again until there is an answer; fails after half a minute.
func eventually<Value>(_ what: String, _ ask: () async throws -> Value?) async throws -> Value {
  for _ in 0..<900 {
    if let value = try await ask() { return value }
    try await Task.sleep(for: .milliseconds(100))
  }
  throw NotInTime(what: what)
}
