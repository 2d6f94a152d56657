/// What this program's exit status says. The parser of the command line adds 64 for a line that is wrong.
enum ExitStatus: Int32, Sendable {
  /// Done, and everything that was verified is valid.
  case done = 0
  /// The server refused, or something here failed.
  case refused = 1
  /// An offline verification found something: the certificate or the log is not valid.
  case notValid = 2
  /// A downloaded package doesn't match its manifest.
  case packageDiffers = 3
  /// Nobody is logged in, the session has expired, or the server doesn't take its token.
  case notLoggedIn = 4
  /// The server can't be reached.
  case unreachable = 5
}
