/// Why one of PostgreSQL's programs can't be run, in one line for the person at the terminal.
public struct ProgramError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure, for callers to branch on.
  public enum Code: Sendable, Hashable {
    /// The programs are not installed.
    case missing
    /// They are installed, but of another major version than was asked for.
    case otherVersion
    /// A program can't be started, or ended with another status than 0.
    case failed
  }

  /// The kind of failure.
  public let code: Code
  /// What happened and what to do, in one line.
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
