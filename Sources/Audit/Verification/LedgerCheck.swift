internal import Foundation
internal import Signing

/// Compares the erasures that a log records with the erasure ledger.
struct LedgerCheck {
  private struct Line {
    let subject: UUIDBytes
    let commitment: SHA256Digest
    let time: Int64
    var seen = false
  }

  /// This tenant's lines, ordered by subject.
  private var lines: [Line] = []

  init?(_ ledger: ErasureLedger, tenant: UUID, _ report: inout VerificationReport) {
    var found: [Line] = []
    do {
      try ledger.forEach { record in
        // A commitment is 32 bytes like a digest, which holds them without an allocation.
        guard record.tenant == tenant, let commitment = SHA256Digest(record.commitment) else { return }
        found.append(Line(subject: UUIDBytes(record.subject), commitment: commitment, time: record.time))
      }
    } catch {
      report.add(Finding(.ledger, file: error.file, error.description))
      return nil
    }
    lines = found.sorted { $0.subject < $1.subject }
    for (a, b) in zip(lines, lines.dropFirst()) where a.subject == b.subject {
      report.add(Finding(.ledger, "a subject has two lines in the ledger"))
    }
  }

  /// Compares an `erasure.*` entry with the ledger.
  mutating func see(
    completed: Bool, subject: UUIDBytes?, commitment: String?, at sequence: UInt64, file: String,
    _ report: inout VerificationReport
  ) {
    guard let subject, let position = position(of: subject) else {
      if completed {
        report.add(Finding(.ledger, file: file, sequence: sequence, "a completed erasure is not in the ledger"))
      }
      return
    }
    lines[position].seen = true
    if completed, commitment != lines[position].commitment.hex {
      report.add(Finding(.ledger, file: file, sequence: sequence, "its key is not the one in the ledger"))
    }
  }

  /// Every line within the time of the entries that were read must have left a trace there: `erasure.started`
  /// precedes it.
  ///
  /// - Parameters:
  ///   - firstTime: the first entry's time where entries before it are deleted; lines from before are passed over.
  ///   - lastTime: the last entry's time; a later line may still be on its way into the log.
  func finish(firstTime: Int64?, lastTime: Int64?, _ report: inout VerificationReport) {
    guard let lastTime else { return }
    for line in lines where !line.seen && line.time <= lastTime && line.time >= firstTime ?? .min {
      report.add(Finding(.ledger, "the ledger has an erasure that the log does not record"))
    }
  }

  private func position(of subject: UUIDBytes) -> Int? {
    var low = 0
    var high = lines.count
    while low < high {
      let middle = (low + high) / 2
      if lines[middle].subject < subject { low = middle + 1 } else { high = middle }
    }
    return low < lines.count && lines[low].subject == subject ? low : nil
  }
}
