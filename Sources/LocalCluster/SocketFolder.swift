import Glibc

/// The short private folder that holds a cluster's socket.
enum SocketFolder {
  private static let prefix = "/tmp/lethe-"

  /// Makes `/tmp/lethe-XXXXXX` with mode 0700, owned by the account that the server runs as.
  static func make(for account: ServerAccount) throws(LocalClusterError) -> String {
    // `mkdtemp` replaces the six X in the buffer lent for the call, and makes the folder with mode 0700.
    var template = Array((prefix + "XXXXXX").utf8CString)
    guard unsafe mkdtemp(&template) != nil else {
      throw LocalClusterError(.unusableFolder, "can't make a folder for the socket in /tmp")
    }
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    try account.own(path)
    return path
  }

  /// Removes what a killed run has left: only a folder with our name that holds nothing but a dead server's socket.
  static func removeLeftover(_ path: String) {
    guard path.hasPrefix(prefix), !path.dropFirst(prefix.count).contains("/") else { return }
    // libc reads the paths during the calls; `rmdir` refuses a folder that holds anything else.
    unsafe unlink(path + "/.s.PGSQL.5432")
    unsafe unlink(path + "/.s.PGSQL.5432.lock")
    unsafe rmdir(path)
  }
}
