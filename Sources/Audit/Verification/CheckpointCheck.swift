internal import Signing

/// Compares exported checkpoints, and those that the auditor held, with the tree as it grows.
///
/// Who signed them is decided later, when the log's keys are known: see `SealCheck`.
struct CheckpointCheck {
  let files: ArchiveFolder
  let origin: String
  let held: [Checkpoint]

  /// All sizes at which a root is needed, ascending and once each.
  func sizes(_ exported: [UInt64], from start: UInt64, upTo size: UInt64) -> [UInt64] {
    var sizes = exported.filter { $0 >= start && $0 <= size }
    for checkpoint in held where checkpoint.size >= start && checkpoint.size <= size {
      if !sizes.contains(checkpoint.size) { sizes.append(checkpoint.size) }
    }
    return sizes.sorted()
  }

  func check(_ size: UInt64, root: SHA256Digest, _ report: inout VerificationReport) {
    for checkpoint in held where checkpoint.size == size && checkpoint.root != root {
      report.add(Finding(.consistency, "the log does not continue the checkpoint that was held"))
    }
    let name = ArchiveWriter.checkpointName(size)
    do {
      guard let bytes = try files.read(name, maximum: SignedNote.maximumBytes) else { return }
      let checkpoint = try Checkpoint(parsing: SignedNote(parsing: bytes).body)
      if checkpoint.origin != origin {
        report.add(Finding(.origin, file: name, "the checkpoint of another log"))
      } else if checkpoint.size != size {
        report.add(Finding(.layout, file: name, "its size is not the one in its name"))
      } else if checkpoint.root != root {
        report.add(Finding(.consistency, file: name, "not a checkpoint of the log as it is now"))
      }
    } catch { report.add(Finding(error, file: name)) }
  }
}
