import Foundation
import StrictJSON

/// The folder that an access package is written into.
struct PackageFolder {
  let path: String

  /// Refuses a folder that is there, unless `force` says that it may be written into.
  func prepare(force: Bool) throws(Failure) {
    if FileManager.default.fileExists(atPath: path), !force {
      throw Failure(.refused, "\(path) is there already; --force writes into it")
    }
  }

  /// Writes the files, for this user only, and the manifest beside them.
  ///
  /// - Returns: the names and lengths of what was written.
  func write(_ package: AccessPackage) throws(Failure) -> [(name: String, bytes: Int)] {
    try PrivateFile.makeFolder(path)
    try PrivateFile.close(path)
    var files = package.files
    if !files.contains(where: { $0.name == Self.manifest }) {
      files.append(PackageFile(name: Self.manifest, bytes: Array((package.manifest.prettyText() + "\n").utf8)))
    }
    var written: [(name: String, bytes: Int)] = []
    for file in files {
      try PrivateFile.write(file.bytes, to: "\(path)/\(file.name)")
      written.append((file.name, file.bytes.count))
    }
    return written
  }

  private static let manifest = "manifest.json"
}
