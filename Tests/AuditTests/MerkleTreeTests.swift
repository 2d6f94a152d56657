import Signing
import Testing

@testable import Audit

@Suite("The Merkle tree of RFC 6962")
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

extension SHA256Digest {
  var flipped: SHA256Digest { SHA256Digest.hash(bytes) }
}
