import PostgresPrograms

/// Why a local cluster can't run, in one line for the person at the terminal.
public struct LocalClusterError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure, for callers to branch on.
  public enum Code: Sendable, Hashable {
    /// PostgreSQL's server programs or `setpriv` are not installed, or there is no unprivileged account to run them.
    case programsMissing
    /// The folder has contents of somebody else's.
    case foreignFolder
    /// The folder's data were made by another major version of PostgreSQL.
    case otherVersion
    /// Another process runs a cluster in the folder.
    case alreadyRunning
    /// The folder, log or socket can't be made or used.
    case unusableFolder
    /// `initdb`, the server or `psql` failed.
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
  /// Passes the failure of a program on as one of ours.
  static func translating<Value>(_ body: () throws(ProgramError) -> Value) throws(LocalClusterError) -> Value {
    do throws(ProgramError) {
      return try body()
    } catch {
      throw LocalClusterError(Code(error.code), error.description)
    }
  }
}

extension LocalClusterError.Code {
  fileprivate init(_ code: ProgramError.Code) {
    self =
      switch code {
      case .missing: .programsMissing
      case .otherVersion: .otherVersion
      case .failed: .failed
      }
  }
}
