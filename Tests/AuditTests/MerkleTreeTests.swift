import Signing
import Testing

@testable import Audit

@Suite("The Merkle tree of RFC 6962", .longWork)
struct MerkleTreeTests {
  static let published: [[UInt8]] = [
    [], [0x00], [0x10], [0x20, 0x21], [0x30, 0x31], [0x40, 0x41, 0x42, 0x43], Array(0x50...0x57), Array(0x60...0x6f),
  ]
  static let leaves = published.map(MerkleTree.leafHash)
  static let many = (0..<64).map { MerkleTree.leafHash(Array("leaf \($0)".utf8)) }

  @Test("hashes leaves, nodes and nothing as published")
  func hashes() {
    #expect(
      MerkleTree.leafHash(Array("L123456".utf8)).hex
        == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56")
    // The published node vector has children of four bytes, so its bytes are hashed as they are.
    #expect(
      SHA256Digest.hash(prefix: 0x01, Array("N123N456".utf8)).hex
        == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb")
    #expect(
      MerkleTree.nodeHash(Self.leaves[0], Self.leaves[1])
        == SHA256Digest.hash([0x01] + Self.leaves[0].bytes + Self.leaves[1].bytes))
    #expect(
      MerkleTree.emptyRoot.hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }

  @Test(
    "roots are the published ones",
    arguments: [
      (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
      (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ])
  func roots(size: Int, root: String) {
    #expect(MerkleTree.root(of: Array(Self.leaves.prefix(size))).hex == root)
  }

  @Test("300 and 70,000 leaves hash to the published roots")
  func largeRoots() {
    let some = (0..<300).map { MerkleTree.leafHash(Array("record \($0)".utf8)) }
    #expect(MerkleTree.root(of: some).base64 == "gw31yQrqZZCcEOPrzX+bpy3nJ6QgngTKn8G1m0i62uU=")
    var frontier = TreeFrontier()
    for number in 0..<70_000 { frontier.append(MerkleTree.leafHash(Array(String(number).utf8))) }
    #expect(frontier.root.hex == "1a4cdfcb66374a0c0dcbef49acbd4976d13ee864fb3cb241fc943cad04f02f7e")
  }

  @Test("proofs are the published ones")
  func proofs() {
    let shared = [
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    #expect(
      MerkleTree.inclusionProof(index: 5, of: Self.leaves)?.map(\.hex)
        == ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"] + shared)
    #expect(
      MerkleTree.consistencyProof(from: 6, to: Self.leaves)?.map(\.hex)
        == ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"] + shared)
  }

  @Test("every inclusion proof up to 64 leaves is the recursive definition's, and verifies only there")
  func allInclusions() throws {
    for size in 1...64 {
      let leaves = Array(Self.many.prefix(size))
      let root = Naive.root(leaves)
      #expect(MerkleTree.root(of: leaves) == root)
      for index in 0..<size {
        let proof = try #require(MerkleTree.inclusionProof(index: UInt64(index), of: leaves))
        #expect(proof == Naive.path(index, leaves))
        func verifies(_ index: Int, _ size: Int, _ proof: [SHA256Digest]) -> Bool {
          MerkleTree.verifyInclusion(
            leaf: leaves[min(index, leaves.count - 1)], index: UInt64(index), size: UInt64(size), proof: proof,
            root: root)
        }
        #expect(verifies(index, size, proof))
        #expect(!verifies(index, size, proof + [root]))
        #expect(!verifies(size, size, proof))
        if !proof.isEmpty { #expect(!verifies(index, size, Array(proof.dropLast()))) }
        let other = (index + 1) % size
        if other != index { #expect(!verifies(other, size, proof)) }
      }
      #expect(MerkleTree.inclusionProof(index: UInt64(size), of: leaves) == nil)
    }
  }

  @Test("every consistency proof up to 64 leaves is the recursive definition's, and verifies only there")
  func allConsistencies() throws {
    for new in 0...64 {
      let leaves = Array(Self.many.prefix(new))
      let newRoot = Naive.root(leaves)
      for old in 0...new {
        let oldRoot = Naive.root(Array(leaves.prefix(old)))
        let proof = try #require(MerkleTree.consistencyProof(from: UInt64(old), to: leaves))
        #expect(proof == (old == 0 ? [] : Naive.consistency(old, leaves, whole: true)))
        func verifies(_ a: SHA256Digest, _ b: SHA256Digest, _ proof: [SHA256Digest]) -> Bool {
          MerkleTree.verifyConsistency(
            from: UInt64(old), to: UInt64(new), oldRoot: a, newRoot: b, proof: proof)
        }
        #expect(verifies(oldRoot, newRoot, proof))
        #expect(!verifies(oldRoot, newRoot, proof + [newRoot]))
        #expect(!verifies(Self.many[0].flipped, newRoot, proof))
        if old > 0 { #expect(!verifies(oldRoot, newRoot.flipped, proof)) }
        if !proof.isEmpty { #expect(!verifies(oldRoot, newRoot, Array(proof.dropLast()))) }
      }
    }
    #expect(MerkleTree.consistencyProof(from: 65, to: Self.many) == nil)
    #expect(
      !MerkleTree.verifyConsistency(
        from: 2, to: 1, oldRoot: Self.many[0], newRoot: Self.many[0], proof: []))
  }

  @Test("every inclusion proof up to 300 leaves is the recursive definition's, and verifies only there")
  func moreInclusions() throws {
    let tree = RememberedTree(count: 300)
    // One expectation for 45,150 proofs: each of its own would take longer than all of them.
    var wrong: [String] = []
    for size in 1...UInt64(300) {
      let root = tree.root(0, size)
      for index in 0..<size {
        let proof = try ProofPath.inclusion(index: index, size: size) { try tree.node($0, $1) }
        let leaf = tree.root(index, index + 1)
        func verifies(_ index: UInt64) -> Bool {
          MerkleTree.verifyInclusion(leaf: leaf, index: index, size: size, proof: proof, root: root)
        }
        let holds = proof == tree.path(index, 0, size) && verifies(index) && !(size > 1 && verifies(index ^ 1))
        if !holds { wrong.append("\(index) in \(size)") }
      }
    }
    #expect(wrong == [])
  }

  @Test("every consistency proof up to 300 leaves is the recursive definition's, and verifies only there")
  func moreConsistencies() throws {
    let tree = RememberedTree(count: 300)
    var wrong: [String] = []
    for new in 1...UInt64(300) {
      let newRoot = tree.root(0, new)
      for old in 1...new {
        let proof = try ProofPath.consistency(from: old, to: new) { try tree.node($0, $1) }
        func verifies(_ oldRoot: SHA256Digest) -> Bool {
          MerkleTree.verifyConsistency(from: old, to: new, oldRoot: oldRoot, newRoot: newRoot, proof: proof)
        }
        let holds =
          proof == tree.consistency(old, 0, new, whole: true) && verifies(tree.root(0, old))
          && !verifies(tree.root(old - 1, old).flipped)
        if !holds { wrong.append("\(old) to \(new)") }
      }
    }
    #expect(wrong == [])
  }

  @Test("in random trees a proof holds, and any change of it, of a root or of a size breaks it", arguments: 0..<40)
  func properties(_ seed: UInt64) throws {
    var random = Seeded(state: seed)
    let tree = RememberedTree(count: Int.random(in: 2...5_000, using: &random))
    let new = UInt64.random(in: 2...tree.count, using: &random)
    let old = UInt64.random(in: 1..<new, using: &random)
    let (oldRoot, newRoot) = (tree.root(0, old), tree.root(0, new))
    let proof = try ProofPath.consistency(from: old, to: new) { try tree.node($0, $1) }
    func continues(_ old: UInt64, _ new: UInt64, _ a: SHA256Digest, _ b: SHA256Digest, _ p: [SHA256Digest]) -> Bool {
      MerkleTree.verifyConsistency(from: old, to: new, oldRoot: a, newRoot: b, proof: p)
    }
    #expect(continues(old, new, oldRoot, newRoot, proof))
    #expect(!continues(old, new, oldRoot.flipped, newRoot, proof))
    #expect(!continues(old, new, oldRoot, newRoot.flipped, proof))
    #expect(!continues(old, new, oldRoot, newRoot, proof + [newRoot]))
    for position in proof.indices {
      var other = proof
      other[position] = other[position].flipped
      #expect(!continues(old, new, oldRoot, newRoot, other))
      other.remove(at: position)
      #expect(!continues(old, new, oldRoot, newRoot, other))
    }
    let index = UInt64.random(in: 0..<new, using: &random)
    let path = try ProofPath.inclusion(index: index, size: new) { try tree.node($0, $1) }
    let leaf = tree.root(index, index + 1)
    func contains(_ index: UInt64, _ path: [SHA256Digest]) -> Bool {
      MerkleTree.verifyInclusion(leaf: leaf, index: index, size: new, proof: path, root: newRoot)
    }
    #expect(contains(index, path))
    #expect(!contains((index + 1) % new, path))
    for position in path.indices {
      var other = path
      other[position] = other[position].flipped
      #expect(!contains(index, other))
    }
  }

  @Test("a frontier has the root of its leaves at every size, whether they come singly or as subtrees")
  func frontier() {
    var frontier = TreeFrontier()
    #expect(frontier.root == MerkleTree.emptyRoot)
    for size in 1...64 {
      frontier.append(Self.many[size - 1])
      #expect(frontier.size == UInt64(size))
      #expect(frontier.root == Naive.root(Array(Self.many.prefix(size))))
    }
    var coarse = TreeFrontier()
    for start in stride(from: 0, to: 64, by: 8) {
      coarse.append(subtree: Naive.root(Array(Self.many[start..<start + 8])), level: 3)
    }
    #expect(coarse == frontier)
  }

  @Test("a proof longer than any tree is refused, not looped over")
  func endlessProof() {
    let proof = Array(repeating: Self.many[0], count: 200)
    #expect(
      !MerkleTree.verifyInclusion(
        leaf: Self.many[0], index: .max - 1, size: .max, proof: proof, root: Self.many[1]))
    #expect(
      !MerkleTree.verifyConsistency(
        from: 3, to: .max, oldRoot: Self.many[0], newRoot: Self.many[1], proof: proof))
  }
}

/// RFC 6962 section 2.1 word for word, recursion and all.
enum Naive {
  static func root(_ leaves: [SHA256Digest]) -> SHA256Digest {
    if leaves.isEmpty { return SHA256Digest.hash([UInt8]()) }
    if leaves.count == 1 { return leaves[0] }
    let k = split(leaves.count)
    let pair = root(Array(leaves[..<k])).bytes + root(Array(leaves[k...])).bytes
    return SHA256Digest.hash([0x01] + pair)
  }

  static func path(_ index: Int, _ leaves: [SHA256Digest]) -> [SHA256Digest] {
    if leaves.count == 1 { return [] }
    let k = split(leaves.count)
    let left = Array(leaves[..<k])
    let right = Array(leaves[k...])
    return index < k ? path(index, left) + [root(right)] : path(index - k, right) + [root(left)]
  }

  static func consistency(_ m: Int, _ leaves: [SHA256Digest], whole: Bool) -> [SHA256Digest] {
    if m == leaves.count { return whole ? [] : [root(leaves)] }
    let k = split(leaves.count)
    let left = Array(leaves[..<k])
    let right = Array(leaves[k...])
    return m <= k
      ? consistency(m, left, whole: whole) + [root(right)]
      : consistency(m - k, right, whole: false) + [root(left)]
  }

  private static func split(_ count: Int) -> Int {
    var k = 1
    while 2 * k < count { k *= 2 }
    return k
  }
}

/// The recursive definition over the leaves 0, 1, 2 …, each subtree hashed once.
final class RememberedTree {
  let count: UInt64
  private var leaves: [SHA256Digest]
  private var known: [[UInt64]: SHA256Digest] = [:]

  init(count: Int) {
    self.count = UInt64(count)
    leaves = (0..<count).map { SHA256Digest.hash([0x00] + Array("leaf \($0)".utf8)) }
  }

  /// The root over the leaves `start..<end`.
  func root(_ start: UInt64, _ end: UInt64) -> SHA256Digest {
    if end - start == 1 { return leaves[Int(start)] }
    if let root = known[[start, end]] { return root }
    let middle = start + Self.split(end - start)
    let root = SHA256Digest.hash([0x01] + root(start, middle).bytes + root(middle, end).bytes)
    known[[start, end]] = root
    return root
  }

  /// What proofs are made of: the full subtree at that place.
  func node(_ level: Int, _ position: UInt64) throws -> SHA256Digest {
    try #require((position + 1) << UInt64(level) <= count)
    return root(position << UInt64(level), (position + 1) << UInt64(level))
  }

  func path(_ index: UInt64, _ start: UInt64, _ end: UInt64) -> [SHA256Digest] {
    if end - start == 1 { return [] }
    let middle = start + Self.split(end - start)
    return index < middle
      ? path(index, start, middle) + [root(middle, end)] : path(index, middle, end) + [root(start, middle)]
  }

  func consistency(_ m: UInt64, _ start: UInt64, _ end: UInt64, whole: Bool) -> [SHA256Digest] {
    if m == end { return whole ? [] : [root(start, end)] }
    let middle = start + Self.split(end - start)
    return m <= middle
      ? consistency(m, start, middle, whole: whole) + [root(middle, end)]
      : consistency(m, middle, end, whole: false) + [root(start, middle)]
  }

  private static func split(_ count: UInt64) -> UInt64 {
    var k: UInt64 = 1
    while 2 * k < count { k *= 2 }
    return k
  }
}

/// Numbers that are the same in every run.
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    // SplitMix64.
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

extension SHA256Digest {
  var flipped: SHA256Digest { SHA256Digest.hash(bytes) }
}
