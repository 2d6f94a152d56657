import CBaseline
import Foundation
import Signing
import Tokens

/// Requests a second through a real server in a process of its own: an authenticated read of a profile beside the
/// route that only says that the process is alive.
struct HTTPMeasurements {
  let harness: Harness

  private static let connections = 16

  func run() async throws -> Findings {
    let name = "http/profile"
    guard harness.wants(name) else { return Findings() }
    let home = harness.folder + "/http"
    let service = try await ChildService.serve(
      home, port: try ChildService.freePort(), people: harness.quick ? 300 : 2_000)
    do {
      let findings = try await measure(name, service, home)
      try await service.stop()
      return findings
    } catch {
      try await service.stop()
      throw error
    }
  }

  private func measure(_ name: String, _ service: ChildService, _ home: String) async throws -> Findings {
    let count = harness.quick ? 200 : 2_000
    let client = try Client(home: home)
    let live = Requests(["GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"])
    var reads: [Answers] = []
    var lives: [Answers] = []
    let before = try service.residentMebibytes()
    let comparison = try await harness.compare(
      name, against: "GET /health/live of the same server", clock: .wall, rounds: harness.quick ? 3 : 9, count: count,
      ours: { count in
        let requests = Requests(try client.reads(count))
        let answers = try await requests.send(count, over: Self.connections, to: service.port)
        reads.append(answers)
        return answers.nanoseconds
      },
      baseline: { count in
        let answers = try await live.send(count, over: Self.connections, to: service.port)
        lives.append(answers)
        return answers.nanoseconds
      })
    let after = try service.residentMebibytes()
    // The first batch of each is the warm-up.
    reads.removeFirst()
    lives.removeFirst()
    let note = "concurrency \(Self.connections), \(count) requests a round"
    return Findings(
      comparisons: [comparison].compactMap(\.self),
      figures: [
        Figure(name: "http/profile/rate", values: reads.map(\.perSecond), unit: "requests/s", note: note),
        Figure(name: "http/profile/p50", values: reads.map { $0.milliseconds(0.5) }, unit: "ms", note: note),
        Figure(name: "http/profile/p99", values: reads.map { $0.milliseconds(0.99) }, unit: "ms", note: note),
        Figure(name: "http/live/rate", values: lives.map(\.perSecond), unit: "requests/s", note: note),
        Figure(name: "http/live/p99", values: lives.map { $0.milliseconds(0.99) }, unit: "ms", note: note),
        Figure(name: "http/memory/before", values: [before], unit: "MiB", note: "VmRSS of the server before the load"),
        Figure(name: "http/memory/after", values: [after], unit: "MiB", note: "VmRSS of the server after the load"),
      ])
  }
}

/// Somebody who may read profiles. A proof is good for one request and a minute, so they are signed before each round.
private struct Client {
  private let signer: ProofSigner
  private let token: String
  private let profiles: [UUID]

  init(home: String) throws {
    signer = ProofSigner(key: try SigningKey.generate(.es256))
    token = try BenchInstallation.tokens(of: home).accessToken(
      subject: "bench-officer", clientID: "lethe-bench", tenant: try BenchInstallation.tenant(of: home).uuid,
      scopes: [.profilesRead], boundTo: signer.thumbprint, lifetime: 3_600, now: UnixClock.now())
    profiles = try BenchInstallation.profiles(of: home)
    guard !profiles.isEmpty else { throw Harness.Failure(description: "the server has no profiles") }
  }

  func reads(_ count: Int) throws -> [String] {
    let now = UnixClock.now()
    return try (0..<count).map { index in
      let path = "/profiles/\(profiles[index % profiles.count].uuidString.lowercased())"
      let proof = try signer.proof(method: "GET", url: BenchInstallation.origin + path, accessToken: token, now: now)
      return "GET \(path) HTTP/1.1\r\nHost: localhost\r\nAuthorization: DPoP \(token)\r\nDPoP: \(proof)\r\n\r\n"
    }
  }
}

/// Requests as they go over the wire, one behind the other.
private struct Requests: Sendable {
  private let bytes: [UInt8]
  private let offsets: [Int]

  init(_ requests: [String]) {
    var bytes: [UInt8] = []
    var offsets = [0]
    for request in requests {
      bytes += request.utf8
      offsets.append(bytes.count)
    }
    self.bytes = bytes
    self.offsets = offsets
  }

  /// Sends `count` of them, beginning again at the first after the last. Throws unless each is answered with 200.
  func send(_ count: Int, over connections: Int, to port: UInt16) async throws -> Answers {
    let (load, latencies) = await onOwnThread { [self] in
      var latencies = [UInt64](repeating: 0, count: count)
      let load = baseline_http_load(port, connections, bytes, offsets, offsets.count - 1, count, &latencies)
      return (load, latencies)
    }
    guard load.nanoseconds > 0 else { throw Harness.Failure(description: "the server closed a connection") }
    guard load.refused == 0 else {
      throw Harness.Failure(description: "\(load.refused) of \(count) requests were not answered with 200")
    }
    return Answers(nanoseconds: Double(load.nanoseconds), latencies: latencies.map { Double($0) })
  }
}

/// What one round of requests took.
private struct Answers: Sendable {
  let nanoseconds: Double
  let latencies: [Double]

  var perSecond: Double { Double(latencies.count) / nanoseconds * 1e9 }

  func milliseconds(_ share: Double) -> Double { latencies.percentile(share) / 1e6 }
}
