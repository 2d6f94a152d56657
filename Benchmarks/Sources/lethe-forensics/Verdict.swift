import Foundation

/// What was found, held against what must and must not be.
struct Verdict {
  private(set) var lines: [String] = []
  private(set) var isGood = true

  /// Notes one expectation and whether it was met.
  mutating func expect(_ isMet: Bool, _ what: String) {
    lines.append((isMet ? "  ok      " : "  FAILED  ") + what)
    if !isMet { isGood = false }
  }

  /// Before the rotation: the keyring of then opens the erased person's key in the backup of then.
  mutating func judge(before tallies: [Place: Sweep.Tally], _ evidence: Evidence) {
    let hits = tallies.values.flatMap(\.hits).map(\.hit)
    for wanted in [Wanted.erased, .package] {
      let isOpen = hits.contains {
        $0.wanted == wanted && $0.role == .epochKey && $0.opened == evidence.envelopes[wanted]
      }
      expect(isOpen, "before the rotation, keyring and old backup together open the key: \(wanted.name)")
    }
  }

  /// After it: nothing opens the erased, the control is found by the keyring alone, what was planted wherever it is.
  mutating func judge(after tallies: [Place: Sweep.Tally], _ evidence: Evidence) {
    for wanted in [Wanted.erased, .package] {
      let hits = tallies.values.flatMap(\.hits).filter { $0.hit.wanted == wanted }
      for (file, hit) in hits.prefix(5) { lines.append("          \(file), byte \(hit.offset): \(hit.role.name)") }
      expect(hits.isEmpty, "after the rotation nothing opens the key or an envelope: \(wanted.name)")
    }
    let control = tallies.flatMap { place, tally in tally.hits.map { (place, $0.hit) } }
      .filter { $0.1.wanted == .control }
    expect(
      control.contains {
        $0.0 == .keyring && $0.1.role == .epochKey && $0.1.opened == evidence.envelopes[.control]
      }, "the control is found: the keyring's epoch key, its wrapped key, all of its envelopes")
    expect(control.allSatisfy { $0.0 == .keyring }, "the epoch key is in no other file than the keyring")
    for place in [Place.planted, .data, .dataLog, .vault, .vaultLog, .dumpBytes] {
      let isFound = (tallies[place]?.hits ?? []).contains {
        $0.hit.wanted == .planted && $0.hit.role == .key && $0.hit.opened == evidence.envelopes[.planted]
      }
      expect(isFound, "the planted key is found: \(place.rawValue)")
    }
  }

  /// A table of places.
  static func table(_ tallies: [Place: Sweep.Tally]) -> String {
    var lines = [
      "| place | files | bytes | windows tried | " + Wanted.allCases.map(\.name).joined(separator: " | ") + " |",
      "|---|--:|--:|--:|" + Wanted.allCases.map { _ in "--:|" }.joined(),
    ]
    for place in Place.allCases {
      guard let tally = tallies[place] else { continue }
      let counts = Wanted.allCases.map { wanted in "\(tally.hits.count { $0.hit.wanted == wanted })" }
      lines.append(
        "| \(place.rawValue) | \(tally.files) | \(megabytes(tally.bytes)) | \(tally.windows) | "
          + counts.joined(separator: " | ") + " |")
    }
    return lines.joined(separator: "\n")
  }
}
