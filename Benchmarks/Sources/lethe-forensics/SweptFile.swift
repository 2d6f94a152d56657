import Foundation

/// Where a swept file belongs.
enum Place: String, CaseIterable {
  case data = "data cluster"
  case dataLog = "data cluster, write-ahead log"
  case vault = "vault cluster"
  case vaultLog = "vault cluster, write-ahead log"
  case dumps = "backups"
  case dumpTexts = "backups, unpacked"
  case dumpBytes = "backups, hexadecimal decoded"
  case archive = "archive"
  case keyring = "keyring"
  case others = "all other files"
  case planted = "planted file"
}

/// One file, and where it belongs.
struct SweptFile {
  let path: String
  let place: Place
  let bytes: Int

  /// Every file of the installation, whatever it is; links are not followed, PostgreSQL makes none here.
  static func all(of installation: ForensicInstallation) throws -> [SweptFile] {
    try below(installation.folder) { relative in
      let parts = relative.split(separator: "/")
      let isLog = parts.contains("pg_wal")
      switch parts[0] {
      case "data": return isLog ? .dataLog : .data
      case "vault": return isLog ? .vaultLog : .vault
      case "backups": return .dumps
      case "archive": return .archive
      case "keyring": return .keyring
      default: return .others
      }
    }
  }

  /// Every file below a folder.
  static func below(_ folder: String, _ place: (String) -> Place) throws -> [SweptFile] {
    guard let names = FileManager.default.enumerator(atPath: folder) else { throw Failure("can't read \(folder)") }
    var files: [SweptFile] = []
    while let name = names.nextObject() as? String {
      guard names.fileAttributes?[.type] as? FileAttributeType == .typeRegular else { continue }
      files.append(try SweptFile("\(folder)/\(name)", place(name)))
    }
    return files
  }

  init(_ path: String, _ place: Place) throws {
    self.path = path
    self.place = place
    guard let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int else {
      throw Failure("can't read \(path)")
    }
    bytes = size
  }
}
