import Foundation
import Glibc

/// Files that appear whole, with their mode from the first moment, and folders for one user.
enum PrivateFile {
  /// Writes a file in one step: whole and durable before it has its name, replacing what had it.
  ///
  /// - Parameters:
  ///   - mode: the file's permissions, whatever the umask.
  ///   - staging: the folder, on the same file system, for the file without its name; the file's own by default.
  static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600, staging: String? = nil) throws(Failure) {
    let folder = staging ?? parent(of: path)
    let temporary = "\(folder)/.\((path as NSString).lastPathComponent).\(UUID().uuidString.lowercased())"
    // Paths are passed as C strings for each call.
    let number = unsafe open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode)
    guard number >= 0 else { throw Failure(.refused, "\(path) can't be written") }
    let file = FileHandle(fileDescriptor: number, closeOnDealloc: true)
    do {
      guard fchmod(number, mode) == 0 else { throw POSIXError(.EPERM) }
      try file.write(contentsOf: Data(bytes))
      try file.synchronize()
      try file.close()
      guard unsafe rename(temporary, path) == 0 else { throw POSIXError(.EIO) }
    } catch {
      _ = unsafe unlink(temporary)
      throw Failure(.refused, "\(path) can't be written")
    }
  }

  /// Makes a folder, and those above it, that only this user can enter; one that is there stays as it is.
  static func makeFolder(_ path: String) throws(Failure) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw Failure(.refused, "the folder \(path) can't be made")
    }
  }

  /// Takes a folder away from everybody else.
  static func close(_ folder: String) throws(Failure) {
    // The path is passed as a C string for the call.
    guard unsafe chmod(folder, 0o700) == 0 else {
      throw Failure(.refused, "the permissions of \(folder) can't be changed")
    }
  }

  /// Reads a file that nobody else may read; nil when there is none.
  ///
  /// Links, other kinds of files and files that group or others have any access to are refused.
  static func read(_ path: String, maximum: Int) throws(Failure) -> [UInt8]? {
    // The path is passed as a C string for the call.
    let number = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard number >= 0 else {
      if errno == ENOENT { return nil }
      throw Failure(.refused, "\(path) can't be read")
    }
    let file = FileHandle(fileDescriptor: number, closeOnDealloc: true)
    var status = stat()
    // The structure outlives the call.
    guard unsafe fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(.refused, "\(path) is not a regular file")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw Failure(.refused, "\(path) can be read by others; make it yours alone: chmod 600")
    }
    return try InputFile.bytes(of: file, named: path, maximum: maximum)
  }

  private static func parent(of path: String) -> String {
    let parent = (path as NSString).deletingLastPathComponent
    return parent.isEmpty ? "." : parent
  }
}
