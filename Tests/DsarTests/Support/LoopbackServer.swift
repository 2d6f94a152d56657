import Foundation
import Glibc

@testable import dsar

/// A service on a port of this machine: one request a connection, answered by a `FakeService`.
final class LoopbackServer: Sendable {
  struct Unavailable: Error {}

  /// `http://127.0.0.1:<port>`.
  let origin: String
  let service: FakeService
  private let listener: Int32

  init(_ identity: TestIdentity, _ route: @escaping FakeService.Route) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard listener >= 0, bound else { throw Unavailable() }
    self.listener = listener
    origin = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
    service = try FakeService(identity, origin: origin, route)
    let service = service
    // A thread of its own: accepting and reading block.
    Thread.detachNewThread {
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return }
        let handle = FileHandle(fileDescriptor: connection, closeOnDealloc: true)
        guard let request = Self.read(connection) else { continue }
        Task {
          let answer = try await service.transport.send(request, .max)
          var head = "HTTP/1.1 \(answer.status) Answer\r\nConnection: close\r\nContent-Length: \(answer.body.count)\r\n"
          for header in answer.headers { head += "\(header.name): \(header.value)\r\n" }
          try handle.write(contentsOf: Data(Array((head + "\r\n").utf8) + answer.body))
          try handle.close()
        }
      }
    }
  }

  deinit { shutdown(listener, Int32(SHUT_RDWR)) }

  private static func read(_ connection: Int32) -> OutgoingRequest? {
    var bytes: [UInt8] = []
    let end = Array("\r\n\r\n".utf8)
    while true {
      if let head = bytes.firstRange(of: end) {
        let lines = String(decoding: bytes[..<head.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let words = lines[0].split(separator: " ").map(String.init)
        let headers = lines.dropFirst().map { line in
          let parts = line.split(separator: ":", maxSplits: 1)
          return (name: String(parts[0]), value: parts[1].trimmingCharacters(in: .whitespaces))
        }
        let length = headers.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) } ?? 0
        if bytes.count >= head.upperBound + length {
          return OutgoingRequest(
            method: words[0], target: words[1], headers: headers, body: Array(bytes[head.upperBound...]))
        }
      }
      // `FileHandle` would wait for all that was asked for.
      var piece = [UInt8](repeating: 0, count: 65_536)
      let count = recv(connection, &piece, piece.count, 0)
      guard count > 0 else { return nil }
      bytes += piece.prefix(count)
    }
  }
}
