import Foundation

/// What is in dumps but not to be seen in their files: they are compressed, and write bytes as hexadecimal digits.
enum DumpText {
  /// Unpacks every dump of a folder's backups into `folder`: its text, and the bytes that runs of hexadecimal digits in
  /// the text stand for, read from the run's first digit and from its second.
  static func unpack(_ backups: String, into folder: String) throws -> [SweptFile] {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var files: [SweptFile] = []
    let dumps = try SweptFile.below(backups) { _ in .dumps }.filter { $0.path.hasSuffix(".dump") }
    guard !dumps.isEmpty else { throw Failure("there is no dump in \(backups)") }
    for (number, dump) in dumps.enumerated() {
      let text = "\(folder)/\(number).sql"
      try restore(dump.path, into: text)
      let decoded = "\(folder)/\(number).bytes"
      try decode(Data(contentsOf: URL(fileURLWithPath: text))).write(to: URL(fileURLWithPath: decoded))
      files += [try SweptFile(text, .dumpTexts), try SweptFile(decoded, .dumpBytes)]
    }
    return files
  }

  private static func restore(_ dump: String, into text: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["pg_restore", "--file=\(text)", dump]
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure("pg_restore can't read \(dump)") }
  }

  /// Runs of at least 64 digits; shorter ones hold no 32 bytes.
  static func decode(_ text: Data) -> Data {
    var decoded = Data()
    var run: [UInt8] = []
    func end() {
      guard run.count >= 64 else { return }
      for first in [0, 1] {
        for place in stride(from: first, to: run.count - 1, by: 2) { decoded.append(run[place] << 4 | run[place + 1]) }
      }
    }
    for character in text {
      if let digit = digit(character) {
        run.append(digit)
      } else {
        end()
        run.removeAll(keepingCapacity: true)
      }
    }
    end()
    return decoded
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
