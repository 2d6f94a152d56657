internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// The wish that sealed files get the immutable attribute, and what to do where that is refused.
///
/// Setting it takes the capability `CAP_LINUX_IMMUTABLE` and a file system that knows it. One value is shared by all
/// writers of a process, so that a refusal is told once.
public final class ImmutableAttribute: Sendable {
  private let onRefusal: @Sendable (AuditError) -> Void
  private let refused = Mutex(false)

  /// Asks for the attribute. `onRefusal` is called at the first refusal, with the file and the system's error number;
  /// after that no more files are tried.
  public init(onRefusal: @escaping @Sendable (AuditError) -> Void = { _ in }) {
    self.onRefusal = onRefusal
  }

  /// Whether the system has refused.
  public var isRefused: Bool { refused.withLock { $0 } }

  /// Protects `paths` in their order, unless the system has refused before or does so now.
  func set(on paths: some Sequence<String>, in sink: some ArchiveSink) throws(AuditError) {
    for path in paths where !isRefused {
      do {
        try sink.protect(path)
      } catch {
        guard Self.isRefusal(error) else { throw error }
        let first = refused.withLock { refused in
          defer { refused = true }
          return !refused
        }
        if first { onRefusal(error) }
      }
    }
  }

  private static func isRefusal(_ error: AuditError) -> Bool {
    guard error.code == .inputOutput, let number = error.systemError else { return false }
    return [EPERM, EACCES, ENOTTY, EOPNOTSUPP, ENOSYS, EINVAL].contains(number)
  }
}
