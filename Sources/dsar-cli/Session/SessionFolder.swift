import Foundation
import Signing
import StrictJSON

/// The folder in which this user's sessions lie:
///
/// ```
/// current                 the name of the session that is used when none is named
/// sessions/<name>.json    server, token, expiry
/// sessions/<name>.pem     the key that the token is bound to
/// ```
struct SessionFolder: Sendable {
  /// The folder's path.
  let path: String

  /// `DSAR_CONFIG`, or `lethe` in `XDG_CONFIG_HOME`, or `~/.config/lethe`.
  init(environment: [String: String]) {
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    path =
      value("DSAR_CONFIG") ?? value("XDG_CONFIG_HOME").map { $0 + "/lethe" }
      ?? (value("HOME") ?? NSHomeDirectory()) + "/.config/lethe"
  }

  /// Stores a session, readable by this user only, and makes it the current one.
  func store(_ session: Session) throws(Failure) {
    try PrivateFile.makeFolder(path)
    try PrivateFile.makeFolder(sessions)
    try PrivateFile.close(sessions)
    var pem: [UInt8]
    do { pem = try session.key.privatePEM() } catch { throw Failure(.refused, "the session's key can't be written") }
    defer { for index in pem.indices { pem[index] = 0 } }
    try PrivateFile.write(pem, to: keyFile(session.name))
    try PrivateFile.write(Array((session.json.prettyText() + "\n").utf8), to: file(session.name))
    try PrivateFile.write(Array((session.name + "\n").utf8), to: current)
  }

  /// Reads a session: the named one, or the current one.
  ///
  /// - Parameter now: Unix seconds; a session that has expired is refused.
  func session(named name: String?, now: Int64) throws(Failure) -> Session {
    let current = name == nil ? try currentName() : nil
    guard let name = name ?? current else {
      throw Failure(.notLoggedIn, "nobody is logged in: dsar login --help")
    }
    guard Session.isName(name) else {
      throw Failure(.notLoggedIn, "a session's name has 1 to 64 letters, digits, - and _")
    }
    guard let bytes = try PrivateFile.read(file(name), maximum: 65_536) else {
      throw Failure(.notLoggedIn, "there is no session \(name): dsar login --help")
    }
    guard let value = try? JSONValue(parsing: bytes), let server = value["server"]?.string,
      let token = value["token"]?.string
    else { throw Failure(.notLoggedIn, "the session \(name) is damaged: log in again") }
    let key: SigningKey
    do {
      key = try SigningKeyFile.load(from: keyFile(name))
    } catch {
      throw Failure(.notLoggedIn, "the session \(name) has no usable key: log in again (\(error.code))")
    }
    let session: Session
    do {
      session = try Session(
        name: name, identity: value["identity"]?.string, server: server, token: token, key: key)
    } catch {
      throw Failure(.notLoggedIn, "the session \(name) is damaged: log in again")
    }
    guard now < session.claims.expires else {
      throw Failure(.notLoggedIn, "the session \(name) has expired: log in again")
    }
    return session
  }

  /// The name of the current session; nil before the first login.
  func currentName() throws(Failure) -> String? {
    guard let bytes = try PrivateFile.read(current, maximum: 256) else { return nil }
    let name = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    return name.isEmpty ? nil : name
  }

  private var current: String { path + "/current" }
  private var sessions: String { path + "/sessions" }
  private func file(_ name: String) -> String { "\(sessions)/\(name).json" }
  private func keyFile(_ name: String) -> String { "\(sessions)/\(name).pem" }
}
