import CPostgres
import Glibc

/// A connection string taken apart by libpq, for a program that connects by itself: everything but the password may
/// stand on its command line, where every user of the machine can read it; the password goes into its environment.
public struct ConnectionParameters: Sendable {
  /// All parameters but secrets, as a keyword string (`host='…' dbname='…'`) that libpq reads again.
  public let keywords: String
  /// The password, for the variable `PGPASSWORD`; nil when the string has none.
  public let password: String?

  /// - Parameter url: a libpq URI or keyword string.
  /// - Throws: `.misuse` when libpq can't read it, or when it holds a secret that can't be handed to another program
  ///   (`sslpassword`).
  public init(_ url: String) throws(PostgresError) {
    // The list is libpq's, freed below; each string in it is copied before that. A refusal may quote the password, so
    // it is freed unread.
    var refusal: UnsafeMutablePointer<CChar>?
    let list = unsafe PQconninfoParse(url, &refusal)
    defer {
      unsafe PQfreemem(refusal)
      unsafe PQconninfoFree(list)
    }
    guard var option = unsafe list else { throw PostgresError(.misuse, message: "not a connection string") }
    var words: [String] = []
    var password: String?
    // The list ends with an option that has no keyword.
    while let keyword = unsafe option.pointee.keyword {
      if let value = unsafe option.pointee.val {
        let name = unsafe String(cString: keyword)
        let text = unsafe String(cString: value)
        switch name {
        case "password": password = text
        case "sslpassword": throw PostgresError(.misuse, message: "sslpassword can't be handed on")
        default:
          words.append("\(name)='\(text.replacing("\\", with: "\\\\").replacing("'", with: "\\'"))'")
        }
      }
      unsafe option = option + 1
    }
    keywords = words.joined(separator: " ")
    self.password = password
  }
}

extension ConnectionParameters: CustomStringConvertible, CustomReflectable {
  /// The keywords; never the password.
  public var description: String { keywords }
  /// The same as `description`, so that `dump` shows no password.
  public var customMirror: Mirror { Mirror(self, children: ["keywords": keywords]) }
}
