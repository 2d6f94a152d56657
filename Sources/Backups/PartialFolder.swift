import Foundation
import Glibc

/// The folder that a backup grows in, under a name that nobody takes for a backup. It gets its own name when everything
/// in it is durable, or goes.
///
/// It is locked while its process lives. What a killed one has left holds wrapped keys, too, so the next backup removes
/// it: a copy that nobody knows of would outlive its erasures.
final class PartialFolder: Sendable {
  let path: String
  private let parent: String
  private let name: String
  private let descriptor: CInt

  private static let suffix = ".partial"
  /// How old a folder without a lock has to be, in seconds: its maker locks it right after making it.
  private static let patience: Double = 60

  /// Makes the folder inside `parent`, which is made as well if need be.
  init(for name: String, in parent: String) throws(BackupError) {
    do {
      try FileManager.default.createDirectory(
        atPath: parent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw BackupError(.folder, "can't make the folder \(parent)")
    }
    Self.removeLeftovers(in: parent)
    self.parent = parent
    self.name = name
    path = "\(parent)/.\(name)\(Self.suffix)"
    // libc reads the path during the calls.
    guard unsafe mkdir(path, 0o700) == 0 else {
      throw BackupError(.folder, "can't make a folder in \(parent) (errno \(errno))")
    }
    let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
    guard folder >= 0, flock(folder, LOCK_EX | LOCK_NB) == 0 else {
      let reason = errno
      if folder >= 0 { close(folder) }
      unsafe rmdir(path)
      throw BackupError(.folder, "can't lock a folder in \(parent) (errno \(reason))")
    }
    descriptor = folder
  }

  deinit { close(descriptor) }

  /// Gives the folder its name, durably; its files are durable already. Returns its path.
  func finish() throws(BackupError) -> String {
    let final = "\(parent)/\(name)"
    try Self.synchronise(path)
    // libc reads both paths during the call.
    guard unsafe rename(path, final) == 0 else {
      throw BackupError(.folder, "can't give \(final) its name (errno \(errno))")
    }
    try Self.synchronise(parent)
    return final
  }

  /// Removes it and what is in it.
  func remove() { try? FileManager.default.removeItem(atPath: path) }

  private static func synchronise(_ folder: String) throws(BackupError) {
    // libc reads the path during the call.
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, fsync(descriptor) == 0 else {
      throw BackupError(.folder, "can't make \(folder) durable (errno \(errno))")
    }
  }

  private static func removeLeftovers(in parent: String) {
    let files = FileManager.default
    for name in (try? files.contentsOfDirectory(atPath: parent)) ?? [] {
      guard name.hasPrefix("."), name.hasSuffix(suffix), name.contains("backup-") else { continue }
      let path = "\(parent)/\(name)"
      let changed = (try? files.attributesOfItem(atPath: path))?[.modificationDate] as? Date
      guard let changed, -changed.timeIntervalSinceNow > patience else { continue }
      // libc reads the path during the call.
      let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
      guard folder >= 0 else { continue }
      if flock(folder, LOCK_EX | LOCK_NB) == 0 { try? files.removeItem(atPath: path) }
      close(folder)
    }
  }
}
