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
  /// Appending 8 KiB to a file and making it durable, the median: what each commit has to wait for.
  let durableWriteMicroseconds: Double

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
    durableWriteMicroseconds = Double(baseline_durable_write(folder + "/durable-write", 200)) / 1_000
  }

  var lines: [String] {
    [
      "processor       \(processor), \(cores) cores", "memory          \(memoryGiB) GiB",
      "system          \(system), kernel \(kernel)",
      "date            \(date)",
      "load average    \(loadAverage.map { String(format: "%.2f", $0) }.joined(separator: " "))",
      "durable write   \(String(format: "%.0f", durableWriteMicroseconds)) µs for 8 KiB on \(fileSystem)",
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
