internal import Signing

/// Verifies exported checkpoints, and the one that the auditor held, against the tree as it grows.
struct CheckpointCheck {
  let files: ArchiveFolder
  let keys: [NoteKey]
  let origin: String
  let held: Checkpoint?

  /// All sizes at which a root is needed, ascending and once each.
  func sizes(_ exported: [UInt64], upTo size: UInt64) -> [UInt64] {
    var sizes = exported.filter { $0 <= size }
    if let held, held.size <= size, !sizes.contains(held.size) {
      sizes.append(held.size)
      sizes.sort()
    }
    return sizes
  }

  func check(_ size: UInt64, root: SHA256Digest, _ report: inout VerificationReport) {
    if let held, held.size == size, held.root != root {
      report.add(Finding(.consistency, "the log does not continue the checkpoint that was held"))
    }
    let name = ArchiveWriter.checkpointName(size)
    do {
      guard let bytes = try files.read(name, maximum: SignedNote.maximumBytes) else { return }
      let note = try SignedNote(parsing: bytes)
      try note.verified(by: keys)
      let checkpoint = try Checkpoint(parsing: note.body)
      report.checkpoints += 1
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
