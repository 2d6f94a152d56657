public import Signing

/// Proof that an entry is in a log, checked without the log (c2sp.org/tlog-proof@v1).
///
/// ```
/// c2sp.org/tlog-proof@v1
/// index 5
/// <base64 hash>           from the leaf's sibling up to the root's child
///
/// <signed checkpoint>
/// ```
public struct Receipt: Sendable, Hashable {
  /// The entry's sequence number.
  public let index: UInt64
  /// The hashes beside the way from the leaf to the root.
  public let path: [SHA256Digest]
  /// The checkpoint that the path leads to.
  public let checkpoint: SignedNote

  /// Puts a proof together.
  public init(index: UInt64, path: [SHA256Digest], checkpoint: SignedNote) {
    self.index = index
    self.path = path
    self.checkpoint = checkpoint
  }

  /// The proof as a file; `.tlog-proof` is its customary extension.
  public var text: String {
    "\(Self.header)\nindex \(index)\n" + path.map { $0.base64 + "\n" }.joined() + "\n" + checkpoint.text
  }

  /// Reads what `text` writes. The optional `extra` line of the format is refused: ours has none, and
  /// nothing would authenticate it.
  public init(parsing text: String) throws(AuditError) {
    guard text.utf8.count <= SignedNote.maximumBytes + 8192 else { throw AuditError(.tooLarge) }
    var rest = Array(text.utf8)[...]
    func line() -> ArraySlice<UInt8>? {
      guard let end = rest.firstIndex(of: 0x0a) else { return nil }
      defer { rest = rest[(end + 1)...] }
      return rest[..<end]
    }
    guard let header = line(), header.elementsEqual(Self.header.utf8), let number = line(),
      number.starts(with: "index ".utf8), let index = Decimal.unsigned(number.dropFirst(6))
    else { throw AuditError(.malformed) }
    var path: [SHA256Digest] = []
    while let hash = line(), !hash.isEmpty {
      guard path.count < 64, let bytes = StrictBase64.decode(utf8: hash, .standard),
        let digest = SHA256Digest(bytes)
      else { throw AuditError(.malformed) }
      path.append(digest)
    }
    self.init(index: index, path: path, checkpoint: try SignedNote(parsing: Array(rest)))
    guard self.text.utf8.elementsEqual(text.utf8) else { throw AuditError(.malformed) }
  }

  /// Checks that `entry` is at `index` under the checkpoint, and that `key` signed that.
  ///
  /// - Returns: the checkpoint, now trusted as far as the key is.
  /// - Throws: `.signature`; `.inconsistent` when the path does not lead to the root, or the entry names
  ///   another log or place; `.malformed`.
  @discardableResult
  public func verify(entry: [UInt8], key: NoteKey) throws(AuditError) -> Checkpoint {
    try verify(entry: entry, keys: [key])
  }

  /// The same with several keys, of which one must have signed.
  @discardableResult
  public func verify(entry: [UInt8], keys: [NoteKey]) throws(AuditError) -> Checkpoint {
    try checkpoint.verified(by: keys)
    let head = try Checkpoint(parsing: checkpoint.body)
    let parsed = try Entry(parsing: entry)
    guard parsed.sequence == index, parsed.origin.text == head.origin,
      MerkleTree.verifyInclusion(
        leaf: MerkleTree.leafHash(entry), index: index, size: head.size, proof: path, root: head.root)
    else { throw AuditError(.inconsistent, sequence: index) }
    return head
  }

  private static let header = "c2sp.org/tlog-proof@v1"
}
