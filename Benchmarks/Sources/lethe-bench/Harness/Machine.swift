import CBaseline
import Foundation

/// What the figures were measured on.
struct Machine: Sendable, Encodable {
  let processor: String
  let cores: Int
  let memoryGiB: Double
  let kernel: String
  let system: String
  /// As the system gives it, ISO 8601.
  let date: String
  /// One, five and fifteen minutes before the first measurement: above 0 somebody else was working.
  let loadAverage: [Double]
  /// The file system of the databases.
  let fileSystem: String
  /// Appending 8 KiB to a file and making it durable, 200 times: what each commit has to wait for. Where these differ by
  /// a multiple, so do the rows about databases, and their ratios say little.
  let durableWriteMicroseconds: [Double]

  init(folder: String) {
    let information = Self.lines("/proc/cpuinfo")
    processor = Self.value("model name", in: information) ?? "unknown"
    cores = ProcessInfo.processInfo.activeProcessorCount
    memoryGiB = (Double(ProcessInfo.processInfo.physicalMemory) / 1_073_741_824 * 10).rounded() / 10
    kernel = Self.lines("/proc/sys/kernel/osrelease").first ?? "unknown"
    system =
      Self.lines("/etc/os-release").first { $0.hasPrefix("PRETTY_NAME=") }
      .map { $0.dropFirst(12).trimmingCharacters(in: CharacterSet(charactersIn: "\"")) } ?? "unknown"
    date = Date().ISO8601Format()
    loadAverage =
      Self.lines("/proc/loadavg").first.map { $0.split(separator: " ").prefix(3).compactMap { Double($0) } }
      ?? []
    fileSystem = Self.fileSystem(of: folder)
    var times = [UInt64](repeating: 0, count: 200)
    let succeeded = baseline_durable_writes(folder + "/durable-write", times.count, &times) == 1
    durableWriteMicroseconds = succeeded ? times.map { Double($0) / 1_000 } : []
  }

  var lines: [String] {
    [
      "processor       \(processor), \(cores) cores", "memory          \(memoryGiB) GiB",
      "system          \(system), kernel \(kernel)",
      "date            \(date)",
      "load average    \(loadAverage.map { String(format: "%.2f", $0) }.joined(separator: " "))",
      "durable write   8 KiB on \(fileSystem): "
        + [0.1, 0.5, 0.9].map { String(format: "%.0f", durableWriteMicroseconds.percentile($0)) }
        .joined(separator: " / ") + " µs (10th, 50th, 90th of 100)",
    ]
  }

  /// The type of the mount that the folder is on: the one with the longest path.
  private static func fileSystem(of folder: String) -> String {
    let path = URL(fileURLWithPath: folder).standardizedFileURL.path
    let mounts = lines("/proc/mounts").map { $0.split(separator: " ").map(String.init) }.filter { $0.count > 2 }
    let over = mounts.filter { path == $0[1] || $0[1] == "/" || path.hasPrefix($0[1] + "/") }
    return over.max { $0[1].utf8.count < $1[1].utf8.count }?[2] ?? "an unknown file system"
  }

  private static func lines(_ path: String) -> [String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
    return text.split(separator: "\n").map(String.init)
  }

  private static func value(_ name: String, in lines: [String]) -> String? {
    lines.first { $0.hasPrefix(name) }?.split(separator: ":", maxSplits: 1).last?
      .trimmingCharacters(in: .whitespaces)
  }
}
