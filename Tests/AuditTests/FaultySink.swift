import Foundation
import Synchronization

@testable import Audit

/// A folder whose writer is struck down at one of its steps: from there on every call fails, as after a crash.
final class FaultySink: ArchiveSink, Sendable {
  /// What becomes of the step at which the writer dies. Having all of its effect is dying before the next one.
  enum Fate: CaseIterable, Sendable {
    /// It has no effect.
    case before
    /// It leaves an unnamed file behind.
    case within
  }

  private let folder: ArchiveFolder
  private let fatal: Int
  private let fate: Fate
  private let state = Mutex<(steps: Int, protected: Set<String>)>((0, []))

  /// Writes into `root` and dies at step number `fatal`, counted from 0.
  init(root: String, fatal: Int = .max, fate: Fate = .before) {
    folder = ArchiveFolder(root: root)
    self.fatal = fatal
    self.fate = fate
  }

  /// How many steps there were.
  var steps: Int { state.withLock { $0.steps } }
  /// The files that were protected, and are still there.
  var protected: Set<String> { state.withLock { $0.protected } }

  private func step<Result>(_ path: String, _ body: () throws(AuditError) -> Result) throws(AuditError) -> Result {
    let number = state.withLock { state in
      defer { state.steps += 1 }
      return state.steps
    }
    if number < fatal { return try body() }
    if number == fatal, fate == .within {
      _ = try? folder.create(ArchiveFolder.incoming + "/" + path.replacing("/", with: "-"), [1, 2, 3])
    }
    throw AuditError(.inputOutput, file: path, systemError: EIO)
  }

  func read(_ path: String, maximum: Int) throws(AuditError) -> [UInt8]? { try folder.read(path, maximum: maximum) }

  func list(_ path: String, _ body: (String, FileKind) -> Void) throws(AuditError) { try folder.list(path, body) }

  func exclusively<Result>(_ body: () throws(AuditError) -> Result) throws(AuditError) -> Result {
    try folder.exclusively(body)
  }

  func create(_ path: String, _ bytes: [UInt8]) throws(AuditError) -> Set<String> {
    try step(path) { () throws(AuditError) in try folder.create(path, bytes) }
  }

  func replace(_ path: String, _ bytes: [UInt8]) throws(AuditError) {
    if protected.contains(path) { throw AuditError(.inputOutput, file: path, systemError: EPERM) }
    try step(path) { () throws(AuditError) in try folder.replace(path, bytes) }
  }

  func synchronise(_ folders: Set<String>) throws(AuditError) {
    try step("synchronise") { () throws(AuditError) in try folder.synchronise(folders) }
  }

  func remove(_ path: String) throws(AuditError) {
    try step(path) { () throws(AuditError) in try folder.remove(path) }
    state.withLock { _ = $0.protected.remove(path) }
  }

  func removeAll(in path: String) throws(AuditError) {
    try step(path) { () throws(AuditError) in try folder.removeAll(in: path) }
  }

  func protect(_ path: String) throws(AuditError) {
    try step(path) { () throws(AuditError) in
      guard try folder.read(path, maximum: .max) != nil else { throw AuditError(.missing, file: path) }
    }
    state.withLock { _ = $0.protected.insert(path) }
  }

  func isProtected(_ path: String) throws(AuditError) -> Bool { protected.contains(path) }
}
