import Glibc
import PostgresPrograms

/// Who the server runs as: ourselves, or an unprivileged account when we are root, because PostgreSQL refuses root.
struct ServerAccount: Sendable {
  let user: uid_t
  let group: gid_t
  /// Whether we are root and have to change to that account.
  let isOther: Bool

  static func forThisProcess() throws(LocalClusterError) -> ServerAccount {
    guard geteuid() == 0 else { return ServerAccount(user: geteuid(), group: getegid(), isOther: false) }
    for name in ["postgres", "nobody"] {
      // The entry belongs to libc and lives until the next look-up; two numbers are copied out of it.
      if let entry = unsafe getpwnam(name) {
        return unsafe ServerAccount(user: entry.pointee.pw_uid, group: entry.pointee.pw_gid, isOther: true)
      }
    }
    throw LocalClusterError(
      .programsMissing, "PostgreSQL does not run as root, and there is no account named postgres or nobody")
  }

  /// Gives a file or folder of ours to the account.
  func own(_ path: String) throws(LocalClusterError) {
    guard isOther else { return }
    // libc reads the path during the call.
    guard unsafe chown(path, user, group) == 0 else {
      throw LocalClusterError(.unusableFolder, "can't give \(path) to the server's account")
    }
  }
}

/// How the server is started: with `setpriv`, which ties it to the life of the thread that starts it, drops root, and
/// keeps one capability when the folder lies below one that the server's account can't pass.
struct ServerLauncher: Sendable {
  private let prefix: [String]

  /// - Parameter reach: the folder the server has to reach.
  init(account: ServerAccount, reach: String) throws(LocalClusterError) {
    guard let setpriv = InstalledPrograms.inPath("setpriv") else {
      throw LocalClusterError(.programsMissing, "setpriv (package util-linux) is not installed")
    }
    // Interrupt is PostgreSQL's fast shutdown.
    var words = [setpriv, "--pdeathsig", "INT"]
    if account.isOther {
      words += ["--reuid", "\(account.user)", "--regid", "\(account.group)", "--clear-groups"]
      // Without it nothing below root's home, mode 0700, could be opened by another account.
      let capabilities = Self.isOpenToAll(reach) ? "-all" : "-all,+dac_override"
      words += ["--inh-caps", capabilities, "--ambient-caps", capabilities]
    }
    prefix = words
  }

  func arguments(_ command: [String]) -> [String] { prefix + command }

  /// Whether every folder above `path` lets every account pass.
  private static func isOpenToAll(_ path: String) -> Bool {
    var folder = path
    while let slash = folder.lastIndex(of: "/"), slash != folder.startIndex {
      folder = String(folder[..<slash])
      var status = stat()
      // `stat` fills the structure lent for the call.
      guard unsafe stat(folder, &status) == 0, status.st_mode & 0o001 != 0 else { return false }
    }
    return true
  }
}
