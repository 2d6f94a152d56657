import Foundation
import Signing

/// Values that must not be anywhere but sealed, in the forms in which they could be.
struct Canaries: Sendable {
  /// What is looked for, with what it is.
  let needles: [(what: String, bytes: [UInt8])]

  /// - Parameters:
  ///   - values: by name.
  ///   - hashed: those of them whose SHA-256 is looked for, too: what could be guessed and compared.
  init(_ values: [String: String], hashed: [String]) {
    var needles: [(String, [UInt8])] = []
    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
      let bytes = Array(value.utf8)
      needles.append((name, bytes))
      needles.append((name + ", hexadecimal", Array(Self.hex(bytes).utf8)))
      for form in Base64Form.allCases {
        // The last characters depend on what follows the value; those before don't.
        let whole = bytes.count - bytes.count % 3
        needles.append((name + ", base64", Array(StrictBase64.encode(Array(bytes.prefix(whole)), form).utf8)))
      }
      guard hashed.contains(name) else { continue }
      let digest = SHA256Digest.hash(bytes)
      needles.append((name + ", SHA-256", digest.bytes))
      needles.append((name + ", SHA-256, hexadecimal", Array(digest.hex.utf8)))
      for form in Base64Form.allCases {
        let text = StrictBase64.encode(digest.bytes, form).prefix(40)
        needles.append((name + ", SHA-256, base64", Array(text.utf8)))
      }
    }
    self.needles = needles
  }

  /// What of them is in those bytes; hexadecimal digits and plain text in any case.
  func found(in haystack: [UInt8]) -> [String] {
    let data = Data(haystack)
    let lowered = Data(haystack.map(Self.lowered))
    return needles.filter { needle in
      data.range(of: Data(needle.bytes)) != nil || lowered.range(of: Data(needle.bytes.map(Self.lowered))) != nil
    }.map(\.what)
  }

  private static func lowered(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte + 0x20 : byte }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

/// A dump of a whole database, as text, made by `pg_dump` as the superuser.
func dump(_ url: String) throws -> [UInt8] {
  let root = "/usr/lib/postgresql"
  let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap(Int.init).sorted()
  let newest = versions.last { FileManager.default.isExecutableFile(atPath: "\(root)/\($0)/bin/pg_dump") }
  guard let newest else { throw NoDump() }
  let file = NSTemporaryDirectory() + "lethe-dump-\(UUID().uuidString)"
  defer { try? FileManager.default.removeItem(atPath: file) }
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "\(root)/\(newest)/bin/pg_dump")
  process.arguments = ["--file", file, "--dbname", url]
  try process.run()
  process.waitUntilExit()
  guard process.terminationStatus == 0, let contents = FileManager.default.contents(atPath: file) else {
    throw NoDump()
  }
  return Array(contents)
}

struct NoDump: Error {}

/// Every file below a folder, by path.
func files(below folder: String) -> [(path: String, contents: [UInt8])] {
  let paths = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
  return paths.sorted().compactMap { path in
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder + "/" + path, isDirectory: &isFolder), !isFolder.boolValue,
      let contents = FileManager.default.contents(atPath: folder + "/" + path)
    else { return nil }
    return (path, Array(contents))
  }
}
