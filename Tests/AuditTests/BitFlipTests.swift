import Foundation
import Testing

@testable import Audit

/// Without optimisation a verification takes too long for all bits: `make audit-exhaustive` flips them.
@Suite("Flipping bits of an archive", .longWork)
struct BitFlipTests {
  /// Flips the bits one after the other, on two copies at once, and counts those that are findings.
  private func detected(_ flips: [Flip], in archive: SampleArchive) async throws -> Int {
    let files = try archive.files()
    return try await withThrowingTaskGroup(of: Int.self) { group in
      for worker in 0..<2 {
        group.addTask {
          let copy = try FlippedCopy(files)
          let verifier = archive.verifier(of: copy.root)
          var found = 0
          for index in stride(from: worker, to: flips.count, by: 2) {
            let flip = flips[index]
            let report = try copy.flipping(flip) { verifier.verify() }
            if report.isValid {
              Issue.record("bit \(flip.bit) of byte \(flip.position) of \(files[flip.file].name) went unnoticed")
            } else {
              found += 1
            }
          }
          // The copy itself is whole: what was found above were the flips.
          let report = verifier.verify()
          if !report.isValid { Issue.record("the unchanged copy: \(report.findings)") }
          return found
        }
      }
      return try await group.reduce(0, +)
    }
  }

  @Test("random bits are detected, in a log of 20 entries as in one of 1,000", arguments: [(20, 1_000), (1_000, 100)])
  func sampled(_ size: Int, _ count: Int) async throws {
    let archive = try SampleArchive(count: size)
    let files = try archive.files()
    let ends = files.reduce(into: [0]) { ends, file in ends.append(ends[ends.count - 1] + file.bytes.count) }
    var flips: Set<Flip> = []
    while flips.count < count {
      // Half of them anywhere, half of them in any file: most files are small.
      let file: Int
      if Bool.random() {
        let byte = Int.random(in: 0..<ends[files.count])
        file = (ends.firstIndex { $0 > byte } ?? 1) - 1
      } else {
        file = Int.random(in: 0..<files.count)
      }
      let position = Int.random(in: 0..<files[file].bytes.count)
      let bit = UInt8.random(in: 0..<8)
      if !SampleArchive.isOtherTime(files[file].name, files[file].bytes, position, bit) {
        flips.insert(Flip(file: file, position: position, bit: bit))
      }
    }
    let found = try await detected(Array(flips), in: archive)
    #expect(found == count)
  }

  @Test("a flipped time in the ledger is the one thing that nothing tells of")
  func ledgerTime() throws {
    let archive = try SampleArchive(count: 20)
    let files = try archive.files()
    let file = try #require(files.firstIndex { $0.name == "erasures/ledger" })
    let copy = try FlippedCopy(files)
    let flip = Flip(file: file, position: files[file].bytes.count - 2, bit: 0)
    #expect(SampleArchive.isOtherTime("erasures/ledger", files[file].bytes, flip.position, flip.bit))
    let report = try copy.flipping(flip) { archive.verifier(of: copy.root).verify() }
    #expect(report.isValid)
    #expect(report.erasures == 1)
  }
}
