#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// System calls that take a path. Every one is marked unsafe only because a Swift string becomes a C string
/// for the call, which lives exactly that long.
enum SystemCalls {
  static func open(_ path: String, _ flags: Int32, mode: mode_t = 0) -> Int32 {
    unsafe Glibc.open(path, flags | O_CLOEXEC, mode)
  }

  static func open(_ name: String, in folder: Int32, _ flags: Int32) -> Int32 {
    unsafe Glibc.openat(folder, name, flags | O_CLOEXEC)
  }

  static func makeFolder(_ path: String) -> Bool { unsafe Glibc.mkdir(path, 0o755) == 0 }

  static func removeFolder(_ path: String) -> Bool { unsafe Glibc.rmdir(path) == 0 }

  static func remove(_ path: String) -> Bool { unsafe Glibc.unlink(path) == 0 }

  static func link(_ old: String, _ new: String) -> Bool { unsafe Glibc.link(old, new) == 0 }

  static func rename(_ old: String, _ new: String) -> Bool { unsafe Glibc.rename(old, new) == 0 }

  /// What `name` stands for in `folder`; a link is a link.
  static func kind(of name: String, in folder: Int32) -> FileKind {
    var status = stat()
    // The structure outlives the call.
    let found = unsafe fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    return found ? FileKind(mode: status.st_mode) : .other
  }
}
