import Foundation
public import Signing
import Synchronization

/// The log's signing keys that this process can use: the one in use, the next one while it is taken over, and those
/// that were replaced.
///
/// Which of them signs a tenant's checkpoints is said by the log itself. The files are read again when a key is asked
/// for that isn't known, and before a log begins: so every replica follows a rotation that another process made.
public final class SigningKeys: Sendable {
  /// The file of the key in use; nil for keys that are only in memory.
  public let path: String?
  private let known: Mutex<Known>

  private struct Known {
    var current: SigningKey
    var others: [SigningKey]
  }

  /// One key, without a file.
  public init(_ key: SigningKey) {
    path = nil
    known = Mutex(Known(current: key, others: []))
  }

  /// The key in that file, and those beside it: `<path>.next` and `<path>.<key id>.retired`.
  ///
  /// - Throws: what `SigningKeyFile.load(from:)` says of the key in use; the others are taken where they can be read.
  public init(path: String) throws(SigningError) {
    self.path = path
    known = Mutex(Known(current: try SigningKeyFile.load(from: path), others: Self.others(beside: path)))
  }

  /// The key that new logs begin with.
  public var current: SigningKey { known.withLock { $0.current } }

  /// Every key that this process has, the one in use last.
  public var all: [SigningKey] { known.withLock { $0.others + [$0.current] } }

  /// Reads the files again: another process may have made or replaced a key. What can't be read stays as it was.
  public func reload() {
    guard let path else { return }
    for _ in 0..<3 {
      guard let current = try? SigningKeyFile.load(from: path) else { return }
      let others = Self.others(beside: path)
      // Once more: the key may have been replaced before the others were read.
      guard let again = try? SigningKeyFile.load(from: path), again.publicKey == current.publicKey else { continue }
      known.withLock { $0 = Known(current: current, others: others) }
      return
    }
  }

  /// Where the next key waits until every log has taken it over.
  static func nextPath(of path: String) -> String { path + ".next" }

  /// Where a replaced key is kept, for an archive that comes back from before the rotation.
  static func retiredPath(of path: String, _ key: SigningKey) -> String {
    "\(path).\(SHA256Digest.hash(key.publicKey.rawBytes).hex.prefix(8)).retired"
  }

  private static func others(beside path: String) -> [SigningKey] {
    let folder = (path as NSString).deletingLastPathComponent
    let name = (path as NSString).lastPathComponent
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? []
    return names.sorted().compactMap { other in
      guard other == name + ".next" || (other.hasPrefix(name + ".") && other.hasSuffix(".retired")) else { return nil }
      return try? SigningKeyFile.load(from: folder.isEmpty ? other : folder + "/" + other)
    }
  }
}
