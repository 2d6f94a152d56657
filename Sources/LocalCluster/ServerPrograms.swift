import Foundation

/// PostgreSQL's server programs, as Debian or another system installs them.
struct ServerPrograms: Sendable {
  let folder: String
  let major: Int

  func path(_ program: String) -> String { folder + "/" + program }

  /// The programs of a major version, or the newest when nil.
  static func find(major wanted: Int?) throws(LocalClusterError) -> ServerPrograms {
    var found: [ServerPrograms] = []
    let debian = "/usr/lib/postgresql"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? [] {
      let folder = "\(debian)/\(name)/bin"
      if let major = Int(name), isComplete(folder) { found.append(ServerPrograms(folder: folder, major: major)) }
    }
    if found.isEmpty, let server = inPath("postgres") {
      let folder = String(server.dropLast("/postgres".count))
      // `postgres --version` prints "postgres (PostgreSQL) 15.18 (…)".
      let words = try ChildProcess.run([server, "--version"], input: "").split(separator: " ")
      if isComplete(folder), words.count > 2, let major = Int(words[2].prefix(while: \.isNumber)) {
        found.append(ServerPrograms(folder: folder, major: major))
      }
    }
    guard let newest = found.max(by: { $0.major < $1.major }) else {
      throw LocalClusterError(
        .programsMissing, "PostgreSQL's server programs are not installed (Debian: apt install postgresql)")
    }
    guard let wanted else { return newest }
    guard let match = found.first(where: { $0.major == wanted }) else {
      throw LocalClusterError(
        .otherVersion, "the cluster was made by PostgreSQL \(wanted), and PostgreSQL \(newest.major) is installed")
    }
    return match
  }

  /// The full path of a program in PATH.
  static func inPath(_ program: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(program)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static func isComplete(_ folder: String) -> Bool {
    ["postgres", "initdb", "psql"].allSatisfy { FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)") }
  }
}
