import Foundation

/// PostgreSQL's programs of one major version, as Debian or another system installs them.
public struct InstalledPrograms: Sendable, Hashable {
  /// Which of PostgreSQL's programs have to be there.
  public enum Kind: Sendable, Hashable {
    /// Those that run a cluster.
    case server
    /// Those that dump and restore a database.
    case client

    var names: [String] {
      switch self {
      case .server: ["postgres", "initdb", "psql"]
      case .client: ["pg_dump", "pg_restore"]
      }
    }

    var package: String {
      switch self {
      case .server: "postgresql"
      case .client: "postgresql-client"
      }
    }
  }

  /// Where the programs are.
  public let folder: String
  /// Their major version.
  public let major: Int

  /// The full path of a program.
  public func path(_ program: String) -> String { folder + "/" + program }

  /// The programs of a major version, or the newest when nil: those in `/usr/lib/postgresql`, else those in `PATH`.
  ///
  /// - Throws: `.missing` when there are none at all, `.otherVersion` when there are only others.
  public static func find(_ kind: Kind, major wanted: Int? = nil) throws(ProgramError) -> InstalledPrograms {
    let found = try installed(kind)
    guard let newest = found.max(by: { $0.major < $1.major }) else {
      throw ProgramError(
        .missing, "PostgreSQL's \(kind) programs are not installed (Debian: apt install \(kind.package))")
    }
    guard let wanted else { return newest }
    guard let match = found.first(where: { $0.major == wanted }) else {
      throw ProgramError(
        .otherVersion,
        "PostgreSQL \(newest.major) is installed, not \(wanted) (Debian: apt install \(kind.package)-\(wanted))")
    }
    return match
  }

  /// The full path of a program in PATH.
  public static func inPath(_ program: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(program)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static func installed(_ kind: Kind) throws(ProgramError) -> [InstalledPrograms] {
    var found: [InstalledPrograms] = []
    let debian = "/usr/lib/postgresql"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? [] {
      let folder = "\(debian)/\(name)/bin"
      if let major = Int(name), holds(folder, kind) { found.append(InstalledPrograms(folder: folder, major: major)) }
    }
    if found.isEmpty, let program = kind.names.first, let path = inPath(program) {
      let folder = String(path.dropLast(program.count + 1))
      // `postgres --version` prints "postgres (PostgreSQL) 15.18 (…)", and so does every other program.
      let words = try ChildProcess.run([path, "--version"], input: "").split(separator: " ")
      if holds(folder, kind), words.count > 2, let major = Int(words[2].prefix(while: \.isNumber)) {
        found.append(InstalledPrograms(folder: folder, major: major))
      }
    }
    return found
  }

  private static func holds(_ folder: String, _ kind: Kind) -> Bool {
    kind.names.allSatisfy { FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)") }
  }
}
