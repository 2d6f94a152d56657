import Foundation
import Signing
import Testing

@testable import Audit

/// Reads a log's manifests by the words of the specification, without the code that writes them.
struct ArchiveOracle {
  let folder: String
  let keys: [NoteKey]

  /// What is wrong with the manifests; empty when nothing is.
  func problems() throws -> [String] {
    var problems: [String] = []
    let names = try list("segments")
    var (first, time): (UInt64, Int64) = (0, 0)
    var previous: SHA256Digest?
    for (number, name) in names.enumerated() {
      let note = try SignedNote(parsing: read("segments/" + name), maximumBytes: 1_048_576)
      try note.verified(by: keys)
      let manifest = try Manifest(parsing: note.body)
      let genesis = SHA256Digest.hash(Array("audit-manifest-genesis/v1\n\(manifest.origin.text)\n".utf8))
      if name != String(format: "%020d", number) || manifest.number != UInt64(number) {
        problems.append("number \(name)")
      }
      if manifest.previous != previous ?? genesis { problems.append("previous of \(number)") }
      if manifest.first != first || manifest.time < time { problems.append("first or time of \(number)") }
      if manifest.files.map(\.place.text) != Self.places(manifest.first, manifest.end) {
        problems.append("list of \(number)")
      }
      for file in manifest.files { try problems += check(file) }
      let checkpoints = try list("checkpoints").filter { name in
        let size = try #require(UInt64(name))
        return size <= manifest.end && (size > manifest.first || number == 0)
      }
      let leaves = try checkpoints.map { SHA256Digest.hash(try [0x00] + read("checkpoints/" + $0)) }
      if manifest.checkpointCount != leaves.count || manifest.checkpointRoot != Naive.root(leaves) {
        problems.append("checkpoints of \(number)")
      }
      (first, time) = (manifest.end, manifest.time)
      previous = SHA256Digest.hash(Array(note.body.utf8))
    }
    return problems
  }

  /// The definition, entry by entry and hash by hash.
  static func places(_ first: UInt64, _ end: UInt64) -> [String] {
    func path(_ kind: String, _ index: UInt64, _ count: UInt64) -> String {
      let width = index < count / 256 ? "" : ".p/\(count % 256)"
      return "tile/\(kind)/" + String(format: "%03d", Int(index)) + width
    }
    var places = Set((first..<end).map { $0 / 256 }).sorted().map { path("entries", $0, end) }
    for (level, span) in [1, 256, 65_536].enumerated() as EnumeratedSequence<[UInt64]> {
      let hashes = (0..<end / span).filter { ($0 + 1) * span > first && $0 * span < end }
      places += Set(hashes.map { $0 / 256 }).sorted().map { path("\(level)", $0, end / span) }
    }
    return places
  }

  /// Every file at that place, the narrower ones that are still there too, begins with what is listed.
  private func check(_ file: ManifestFile) throws -> [String] {
    var found = 0
    let full = file.place.with(width: 256).text
    let widths = try list(full + ".p").compactMap(Int.init).filter { $0 >= file.place.width }
    for path in widths.map({ "\(full).p/\($0)" }) + [full] {
      guard FileManager.default.fileExists(atPath: folder + "/" + path) else { continue }
      found += 1
      let bytes = try read(path)
      if bytes.count < file.length || SHA256Digest.hash(Array(bytes.prefix(file.length))) != file.hash { return [path] }
    }
    return found == 0 ? ["missing \(file.place)"] : []
  }

  private func list(_ name: String) throws -> [String] {
    let path = folder + "/" + name
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }

  private func read(_ file: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file)))
  }
}
