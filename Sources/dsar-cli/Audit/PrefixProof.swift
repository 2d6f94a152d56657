import Audit
import Signing

/// How a log stands to a checkpoint that was seen before: proved by the path of the first entry behind it.
///
/// What lies to the left of that path are the full subtrees over exactly the entries before, so that the path, once it
/// leads to the signed root, also fixes what the root over them was: other entries than those seen before are proved,
/// not only suspected.
struct PrefixProof {
  /// What the path shows.
  enum Outcome: Equatable {
    /// The log begins with what was seen before.
    case continues
    /// The signed root covers other entries than those seen before. The proof is a receipt's text behind its leaf.
    case forks(proof: String)
    /// The files don't lead to the signed root; nothing is shown.
    case unproven
  }

  /// Compares two checkpoints of one log, of which the first is not larger.
  ///
  /// - Parameters:
  ///   - before: what was seen before.
  ///   - note: the checkpoint to compare with, for the proof of a fork.
  ///   - head: what it says.
  static func compare(_ before: Checkpoint, with note: SignedNote, _ head: Checkpoint, in log: FetchedLog)
    async throws -> Outcome
  {
    guard before.size < head.size else {
      return before.root == head.root ? .continues : .forks(proof: "two roots of \(head.size) entries\n")
    }
    let index = before.size
    let leaf = try await log.reading { reader throws(AuditError) in
      try reader.leafHash(at: index, size: head.size)
    }
    let path = try await log.reading { reader throws(AuditError) in
      try reader.inclusionProof(index: index, size: head.size)
    }
    guard MerkleTree.verifyInclusion(leaf: leaf, index: index, size: head.size, proof: path, root: head.root) else {
      return .unproven
    }
    guard root(before: index, size: head.size, path: path) == before.root else {
      let receipt = Receipt(index: index, path: path, checkpoint: note)
      return .forks(proof: "leaf \(leaf.base64)\n\(receipt.text)")
    }
    return .continues
  }

  /// The root over the entries before `index`, out of the path from the leaf at `index` to the root over `size`.
  static func root(before index: UInt64, size: UInt64, path: [SHA256Digest]) -> SHA256Digest {
    var position = index
    var last = size - 1
    var result: SHA256Digest?
    // The same walk as that of an inclusion proof (RFC 9162 section 2.1.3.2), with the left siblings only.
    for sibling in path {
      if position & 1 == 1 || position == last {
        result = result.map { MerkleTree.nodeHash(sibling, $0) } ?? sibling
        while position & 1 == 0 && position != 0 {
          position >>= 1
          last >>= 1
        }
      }
      position >>= 1
      last >>= 1
    }
    return result ?? MerkleTree.emptyRoot
  }
}
