import Foundation
import Glibc
import Synchronization

/// Folders of test clusters: `/tmp/lethe-test-<pid>-XXXXXX`.
enum TestFolder {
  private struct Leftover {
    let folder: String
    let server: pid_t
    let socketFolder: String
  }

  private static let prefix = "lethe-test-"
  private static let leftovers = Mutex<[Leftover]>([])

  static func make() throws -> String {
    let path = "/tmp/\(prefix)\(getpid())-\(UUID().uuidString.prefix(6))"
    // 0711: the server's account passes through to its own folder below.
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o711])
    return path
  }

  /// Removes folders whose process has ended.
  static func removeLeftovers() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? [] where name.hasPrefix(prefix) {
      let owner = name.dropFirst(prefix.count).prefix(while: \.isNumber)
      guard let processID = pid_t(owner), kill(processID, 0) != 0, errno == ESRCH else { continue }
      try? FileManager.default.removeItem(atPath: "/tmp/" + name)
    }
  }

  /// Stops the server and removes its folders when this process exits in order.
  static func removeAtExit(_ folder: String, server: pid_t, socketFolder: String) {
    leftovers.withLock { known in
      if known.isEmpty { atexit { TestFolder.removeNow() } }
      known.append(Leftover(folder: folder, server: server, socketFolder: socketFolder))
    }
  }

  private static func removeNow() {
    for leftover in leftovers.withLock({ $0 }) {
      // Immediate shutdown: nothing of it is kept.
      kill(leftover.server, SIGQUIT)
      for _ in 0..<250 where kill(leftover.server, 0) == 0 { usleep(20_000) }
      try? FileManager.default.removeItem(atPath: leftover.folder)
      try? FileManager.default.removeItem(atPath: leftover.socketFolder)
    }
  }
}
