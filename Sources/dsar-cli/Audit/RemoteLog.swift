import Audit
import Signing
import StrictJSON

/// The tenant's log as the service shows it: files and notes, none of them verified.
struct RemoteLog: Sendable {
  /// The most keys that one log may have had.
  static let maximumKeys = 256
  /// How many checkpoints are asked for at once.
  static let page = 200

  /// A checkpoint's file and the size that the service says it has.
  struct ExportedCheckpoint: Sendable {
    let size: UInt64
    let note: SignedNote
  }

  let client: ServiceClient

  /// The log's keys, the oldest first.
  ///
  /// - Throws: `Failure` when the answer is not a list of different keys under one name.
  func keys() async throws -> [NoteKey] {
    let text = String(decoding: try await client.bytes("/audit/key"), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let keys = lines.dropLast().compactMap { NoteKey(String($0)) }
    guard lines.last?.isEmpty == true, !keys.isEmpty, keys.count == lines.count - 1, keys.count <= Self.maximumKeys,
      Set(keys).count == keys.count, Set(keys.map(\.name)).count == 1
    else { throw Failure(.refused, "the server's answer is not a verifier key") }
    return keys
  }

  /// The newest checkpoint with its cosignatures; not verified.
  ///
  /// - Throws: `Failure` with `.refused` before the first checkpoint, `.notValid` for something else than a checkpoint
  ///   of this tenant's log.
  func checkpoint() async throws -> (note: SignedNote, head: Checkpoint) {
    guard let bytes = try await client.bytesIfPresent("/audit/checkpoint") else {
      throw Failure(.refused, "the log has no checkpoint yet; the service publishes one within a minute")
    }
    do {
      let note = try SignedNote(parsing: bytes)
      let head = try Checkpoint(parsing: note.body)
      guard LogOrigin(head.origin)?.tenant == client.session.claims.tenant else {
        throw Failure(.notValid, "the checkpoint is of another log")
      }
      return (note, head)
    } catch let error as AuditError {
      throw Failure(.notValid, "the server's checkpoint: \(error)")
    }
  }

  /// The exported checkpoints above a size, ascending, a page at most; nil when the service doesn't list them.
  func checkpoints(above size: UInt64?) async throws -> [ExportedCheckpoint]? {
    let query = "limit=\(Self.page)" + (size.map { "&above=\($0)" } ?? "")
    guard let bytes = try await client.bytesIfPresent("/audit/checkpoints?\(query)") else { return nil }
    guard let items = (try? JSONValue(parsing: bytes))?["items"]?.array else {
      throw Failure(.refused, "the server's list of checkpoints can't be read")
    }
    var found: [ExportedCheckpoint] = []
    for item in items {
      guard let number = item["size"]?.integer.flatMap(UInt64.init(exactly:)), let text = item["note"]?.string,
        number > found.last?.size ?? size ?? 0 || (found.isEmpty && size == nil)
      else { throw Failure(.refused, "the server's list of checkpoints can't be read") }
      do { found.append(ExportedCheckpoint(size: number, note: try SignedNote(parsing: text))) } catch {
        throw Failure(.notValid, "the server's checkpoint of size \(number): \(error)")
      }
    }
    return found
  }

  /// A tile's or a bundle's bytes; nil when the service has none of that width.
  func file(_ place: TilePath) async throws -> [UInt8]? {
    let maximum =
      switch place.content {
      case .hashes: place.width * SHA256Digest.byteCount
      case .entries: place.width * (2 + Entry.maximumBytes)
      }
    let found = try await client.bytesIfPresent("/audit/\(place.text)", maximumBytes: max(maximum, 65_536))
    guard let bytes = found else { return nil }
    if case .hashes = place.content, bytes.count != maximum {
      throw Failure(.notValid, "the server's \(place.text) has not the length of its hashes")
    }
    return bytes
  }

  /// A tile or a bundle, or the full one that a partial one has given way to; nil when the service has neither.
  func found(_ place: TilePath) async throws -> (place: TilePath, bytes: [UInt8])? {
    if let bytes = try await file(place) { return (place, bytes) }
    let full = place.full
    guard !place.isFull, let bytes = try await file(full) else { return nil }
    return (full, bytes)
  }

  /// The manifest of a sealed segment; nil when there is none of that number.
  func manifest(_ number: UInt64) async throws -> SignedNote? {
    let path = Manifest.path(number)
    guard let bytes = try await client.bytesIfPresent("/audit/\(path)", maximumBytes: Manifest.maximumBytes) else {
      return nil
    }
    do { return try SignedNote(parsing: bytes, maximumBytes: Manifest.maximumBytes) } catch {
      throw Failure(.notValid, "the server's \(path): \(error)")
    }
  }

  /// The note that says which entries were deleted at the end of their time; nil when none were.
  func retention() async throws -> SignedNote? {
    guard let bytes = try await client.bytesIfPresent("/audit/\(RetentionNote.file)") else { return nil }
    do { return try SignedNote(parsing: bytes) } catch {
      throw Failure(.notValid, "the server's \(RetentionNote.file): \(error)")
    }
  }
}

extension TilePath {
  /// The full tile or bundle at this place.
  var full: TilePath {
    switch content {
    case .hashes(let level): .tile(level: level, index: index)
    case .entries: .entries(index: index)
    }
  }
}
