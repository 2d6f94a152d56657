import ArgumentParser
import Audit

/// Verifier keys as a person names them: a key itself, or `@FILE` with one key a line.
enum VerifierKeys {
  /// The largest key file, in bytes.
  static let maximumBytes = 65_536

  /// Reads every argument.
  static func read(_ arguments: [String]) throws -> [NoteKey] {
    var keys: [NoteKey] = []
    for argument in arguments {
      guard argument.hasPrefix("@") else {
        guard let key = NoteKey(argument) else {
          throw ValidationError("--key takes a verifier key (name+id+base64), or @FILE with one.")
        }
        keys.append(key)
        continue
      }
      keys += try file(String(argument.dropFirst()))
    }
    return keys
  }

  /// Reads a file with one key a line.
  static func file(_ path: String) throws(Failure) -> [NoteKey] {
    var keys: [NoteKey] = []
    for line in try InputFile.text(path, maximum: maximumBytes).split(separator: "\n") {
      guard let key = NoteKey(String(line)) else { throw Failure(.refused, "\(path) holds no verifier key") }
      keys.append(key)
    }
    guard !keys.isEmpty else { throw Failure(.refused, "\(path) holds no verifier key") }
    return keys
  }
}
