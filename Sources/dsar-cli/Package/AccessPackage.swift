import Signing
import StrictJSON

/// A downloaded access package, taken apart and checked against its manifest.
struct AccessPackage: Sendable {
  /// The largest package, in bytes.
  static let maximumBytes = 64 << 20

  /// The files, in the manifest's order.
  let files: [PackageFile]
  /// The manifest, as it came.
  let manifest: JSONValue

  /// Checks a package: its schema, whose it is, every name, length and SHA-256, and that manifest and files are the
  /// same set.
  ///
  /// - Throws: `Failure` with `.packageDiffers`, a line for each difference.
  init(checking bytes: [UInt8], request: String) throws(Failure) {
    let limits = JSONLimits(maxBytes: Self.maximumBytes, maxMembers: 10_000)
    guard let value = try? JSONValue(parsing: bytes, limits: limits), value["schema"]?.string == "access-package/v1",
      let manifest = value["manifest"], let entries = manifest.array, let contents = value["files"]?.members
    else { throw Failure(.packageDiffers, "the package is not an access-package/v1") }
    guard value["request_id"]?.string == request else {
      throw Failure(.packageDiffers, "the package is of another request")
    }
    var differences: [String] = []
    var files: [PackageFile] = []
    var names: Set<String> = []
    for (index, entry) in entries.enumerated() {
      guard let name = entry["name"]?.string, PackageFile.isName(name), names.insert(name).inserted else {
        differences.append("manifest entry \(index): not a file name that is accepted here")
        continue
      }
      guard let content = contents.first(where: { $0.name == name })?.value.string else {
        differences.append("\(name): in the manifest, not in the package")
        continue
      }
      let file = PackageFile(name: name, bytes: Array(content.utf8))
      if entry["bytes"]?.integer != Int64(file.bytes.count) { differences.append("\(name): its length differs") }
      if entry["sha256"]?.string != SHA256Digest.hash(file.bytes).hex {
        differences.append("\(name): its SHA-256 differs")
      }
      files.append(file)
    }
    let surplus = contents.count { !names.contains($0.name) }
    if surplus > 0 { differences.append("\(surplus) in the package, not in the manifest") }
    guard differences.isEmpty, !files.isEmpty else {
      throw Failure(.packageDiffers, "the package doesn't match its manifest", details: differences)
    }
    self.files = files
    self.manifest = manifest
  }
}
