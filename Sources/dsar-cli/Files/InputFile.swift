import Foundation

/// A file that a person named on the command line, or standard input for `-`.
enum InputFile {
  /// The file's bytes.
  ///
  /// - Parameter maximum: more bytes than this are refused.
  static func read(_ path: String, maximum: Int) throws(Failure) -> [UInt8] {
    if path == "-" { return try bytes(of: .standardInput, named: "standard input", maximum: maximum) }
    guard let file = FileHandle(forReadingAtPath: path) else { throw Failure(.refused, "\(path) can't be read") }
    return try bytes(of: file, named: path, maximum: maximum)
  }

  /// The file's bytes as UTF-8 text.
  static func text(_ path: String, maximum: Int) throws(Failure) -> String {
    guard let text = String(validating: try read(path, maximum: maximum), as: UTF8.self) else {
      throw Failure(.refused, "\(path == "-" ? "standard input" : path) is not UTF-8 text")
    }
    return text
  }

  /// What is left of an open file.
  static func bytes(of file: FileHandle, named name: String, maximum: Int) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count <= maximum {
      let piece: Data?
      do { piece = try file.read(upToCount: 65_536) } catch { throw Failure(.refused, "\(name) can't be read") }
      guard let piece, !piece.isEmpty else { return bytes }
      bytes += piece
    }
    throw Failure(.refused, "\(name) is larger than \(maximum) bytes")
  }
}
