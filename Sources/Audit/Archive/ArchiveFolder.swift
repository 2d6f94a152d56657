#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// The files below one folder, reached by relative paths of which no part may be a link.
struct ArchiveFolder: ArchiveSink {
  let root: String

  /// Where files are written before they get their name; its contents mean nothing.
  static let incoming = ".incoming"

  /// A file's bytes, or `nil` when there is none.
  ///
  /// - Throws: `.notRegular`, `.tooLarge` above `maximum`, `.inputOutput`.
  func read(_ path: String, maximum: Int) throws(AuditError) -> [UInt8]? {
    guard let file = try open(path, O_RDONLY | O_NONBLOCK) else { return nil }
    let (kind, length) = try file.status(path)
    guard kind == .regular else { throw AuditError(.notRegular, file: path) }
    guard length <= maximum else { throw AuditError(.tooLarge, file: path) }
    return try file.read(length, path)
  }

  /// Calls `body` with each name of a folder and what it stands for, in no order; a missing folder has none.
  func list(_ path: String, _ body: (String, FileKind) -> Void) throws(AuditError) {
    guard let folder = try open(path, O_RDONLY | O_DIRECTORY) else { return }
    // The stream owns a duplicate of the descriptor and is closed below.
    let copy = dup(folder.number)
    guard copy >= 0, let stream = unsafe fdopendir(copy) else { throw AuditError.system(path) }
    defer { _ = unsafe closedir(stream) }
    while let entry = unsafe readdir(stream) {
      // `d_name` ends with a zero byte inside the entry, which is valid until the next call.
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name == "." || name == ".." { continue }
      body(name, SystemCalls.kind(of: name, in: folder.number))
    }
  }

  /// The length of a regular file, or `nil` when there is none.
  func length(_ path: String) throws(AuditError) -> Int? {
    guard let file = try open(path, O_RDONLY | O_NONBLOCK) else { return nil }
    let (kind, length) = try file.status(path)
    guard kind == .regular else { throw AuditError(.notRegular, file: path) }
    return length
  }

  /// Opens a path below the root without following links; `nil` when it does not exist.
  private func open(_ path: String, _ flags: Int32) throws(AuditError) -> FileDescriptor? {
    let parts = path.split(separator: "/").map(String.init)
    guard var folder = try openRoot() else { return nil }
    for part in parts.dropLast() {
      guard let next = try Self.open(part, in: folder, O_RDONLY | O_DIRECTORY, path) else { return nil }
      folder = next
    }
    guard let name = parts.last else { return folder }
    return try Self.open(name, in: folder, flags, path)
  }

  private func openRoot() throws(AuditError) -> FileDescriptor? {
    let number = SystemCalls.open(root, O_RDONLY | O_DIRECTORY)
    if number < 0 && errno == ENOENT { return nil }
    guard number >= 0 else { throw AuditError.system(nil) }
    return FileDescriptor(owning: number)
  }

  private static func open(
    _ name: String, in folder: borrowing FileDescriptor, _ flags: Int32, _ path: String
  ) throws(AuditError) -> FileDescriptor? {
    let number = SystemCalls.open(name, in: folder.number, flags | O_NOFOLLOW)
    if number >= 0 { return FileDescriptor(owning: number) }
    switch errno {
    case ENOENT: return nil
    case ELOOP, ENOTDIR, ENXIO, ENODEV: throw AuditError(.notRegular, file: path)
    default: throw AuditError.system(path)
    }
  }
}

// MARK: - Writing

extension ArchiveFolder {
  func exclusively<Result>(_ body: () throws(AuditError) -> Result) throws(AuditError) -> Result {
    let folder = try lock()
    // Not left to the descriptor's end: a child process that was just forked has it, too, until it runs its program.
    defer { _ = flock(folder.number, LOCK_UN) }
    try removeAll(in: Self.incoming)
    return try body()
  }

  /// Takes the folder for one writer, and creates it when it is missing.
  private func lock() throws(AuditError) -> FileDescriptor {
    try makeFolders(at: root)
    guard let folder = try openRoot() else { throw AuditError(.missing) }
    guard flock(folder.number, LOCK_EX | LOCK_NB) == 0 else {
      if errno == EWOULDBLOCK { throw AuditError(.busy) }
      throw AuditError.system(nil)
    }
    return folder
  }

  /// Makes sure that the folder itself exists.
  func makeRoot() throws(AuditError) { try makeFolders(at: root) }

  /// Writes a file that must not exist yet: whole, durable and read-only before it has its name.
  func create(_ path: String, _ bytes: [UInt8]) throws(AuditError) -> Set<String> {
    if let length = try length(path) {
      guard length == bytes.count, try read(path, maximum: length) == bytes else {
        throw AuditError(.inconsistent, file: path)
      }
      return [Self.parent(path)]
    }
    var touched: Set<String> = [Self.parent(path)]
    try makeFolders(above: path, touched: &touched)
    let temporary = try stage(bytes, for: path)
    // `link` refuses an existing name, which `rename` would replace.
    let linked = SystemCalls.link(root + "/" + temporary, root + "/" + path)
    let failure = errno
    _ = SystemCalls.remove(root + "/" + temporary)
    guard linked else { throw AuditError(.inputOutput, file: path, systemError: failure) }
    return touched
  }

  /// Puts a file in the place of another, durably, in one step.
  func replace(_ path: String, _ bytes: [UInt8]) throws(AuditError) {
    let temporary = try stage(bytes, for: path)
    guard SystemCalls.rename(root + "/" + temporary, root + "/" + path) else {
      throw AuditError.system(path)
    }
    try synchronise([Self.parent(path)])
  }

  /// Waits until the names in these folders are on the disk.
  func synchronise(_ folders: Set<String>) throws(AuditError) {
    for folder in folders.sorted() {
      guard let open = try open(folder, O_RDONLY | O_DIRECTORY) else { throw AuditError(.missing, file: folder) }
      try open.synchronise(folder)
    }
  }

  func removeAll(in folder: String) throws(AuditError) {
    var names: [String] = []
    try list(folder) { name, _ in names.append(name) }
    for name in names { try remove(folder + "/" + name) }
    guard SystemCalls.removeFolder(root + "/" + folder) || errno == ENOENT else { throw AuditError.system(folder) }
  }

  func remove(_ path: String) throws(AuditError) {
    if SystemCalls.remove(root + "/" + path) || errno == ENOENT { return }
    let failure = errno
    // An immutable file must be made mutable before it can go.
    guard failure == EPERM, let file = try open(path, O_RDONLY | O_NONBLOCK), file.isImmutable() else {
      throw AuditError(.inputOutput, file: path, systemError: failure)
    }
    try file.setImmutable(false, path)
    guard SystemCalls.remove(root + "/" + path) else { throw AuditError.system(path) }
  }

  func protect(_ path: String) throws(AuditError) {
    guard let file = try open(path, O_RDONLY | O_NONBLOCK) else { throw AuditError(.missing, file: path) }
    guard try file.status(path).kind == .regular else { throw AuditError(.notRegular, file: path) }
    try file.setImmutable(true, path)
  }

  func isProtected(_ path: String) throws(AuditError) -> Bool {
    guard let file = try open(path, O_RDONLY | O_NONBLOCK) else { throw AuditError(.missing, file: path) }
    return file.isImmutable()
  }

  private func stage(_ bytes: [UInt8], for path: String) throws(AuditError) -> String {
    try makeFolders(at: root + "/" + Self.incoming)
    let temporary = Self.incoming + "/" + String(path.map { $0 == "/" ? "-" : $0 })
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
    let number = SystemCalls.open(root + "/" + temporary, flags, mode: 0o444)
    guard number >= 0 else { throw AuditError.system(temporary) }
    let file = FileDescriptor(owning: number)
    try file.write(bytes, temporary)
    guard fchmod(number, 0o444) == 0 else { throw AuditError.system(temporary) }
    try file.synchronise(temporary)
    return temporary
  }

  private func makeFolders(above path: String, touched: inout Set<String>) throws(AuditError) {
    let folder = Self.parent(path)
    guard !folder.isEmpty else { return }
    var parent = ""
    for part in folder.split(separator: "/") {
      let current = parent.isEmpty ? String(part) : parent + "/" + part
      if SystemCalls.makeFolder(root + "/" + current) {
        touched.insert(parent)
      } else if errno != EEXIST {
        throw AuditError.system(current)
      }
      parent = current
    }
  }

  private func makeFolders(at path: String) throws(AuditError) {
    if SystemCalls.makeFolder(path) || errno == EEXIST { return }
    let parent = Self.parent(path)
    guard errno == ENOENT, !parent.isEmpty, parent != path else { throw AuditError.system(nil) }
    try makeFolders(at: parent)
    guard SystemCalls.makeFolder(path) || errno == EEXIST else { throw AuditError.system(nil) }
    let folder = SystemCalls.open(parent, O_RDONLY | O_DIRECTORY)
    guard folder >= 0 else { throw AuditError.system(nil) }
    try FileDescriptor(owning: folder).synchronise(parent)
  }

  private static func parent(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return String(path[..<slash])
  }
}
