/// What happened, as a name in the log's taxonomy: a family, a dot, and an event.
public struct AuditAction: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
  /// The name as it stands in a record's body.
  public let rawValue: String

  /// Takes any name; `AuditRecord.body()` refuses one that is not lower-case words joined by dots.
  public init(rawValue: String) { self.rawValue = rawValue }

  /// The name itself: it is a code, never a value.
  public var description: String { rawValue }

  /// Whether the name is two or more words of `a…z`, digits and `_`, joined by dots, at most 64 bytes.
  public var isWellFormed: Bool {
    let words = rawValue.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard rawValue.utf8.count <= 64, words.count >= 2 else { return false }
    return words.allSatisfy { word in
      guard let first = word.first, (0x61...0x7a).contains(first) else { return false }
      return word.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f }
    }
  }
}

extension AuditAction {
  /// A person's profile came into being.
  public static let profileCreated = AuditAction(rawValue: "profile.created")
  /// Fields of a profile changed.
  public static let profileUpdated = AuditAction(rawValue: "profile.updated")
  /// A profile may be used.
  public static let profileActivated = AuditAction(rawValue: "profile.activated")
  /// A profile may no longer be used, until it is unlocked.
  public static let profileLocked = AuditAction(rawValue: "profile.locked")
  /// A lock was lifted.
  public static let profileUnlocked = AuditAction(rawValue: "profile.unlocked")
  /// A profile was taken out of use.
  public static let profileDeactivated = AuditAction(rawValue: "profile.deactivated")

  /// Personal fields of one subject were opened.
  public static let personalDataRead = AuditAction(rawValue: "personal_data.read")
  /// Several subjects were looked through.
  public static let personalDataSearched = AuditAction(rawValue: "personal_data.searched")

  /// A data-subject request was received.
  public static let requestOpened = AuditAction(rawValue: "request.opened")
  /// The identity behind a request was established.
  public static let requestVerified = AuditAction(rawValue: "request.verified")
  /// A second person agreed to the request.
  public static let requestApproved = AuditAction(rawValue: "request.approved")
  /// The request was refused, with a reason code.
  public static let requestRejected = AuditAction(rawValue: "request.rejected")
  /// Work on the request began.
  public static let requestExecuting = AuditAction(rawValue: "request.executing")
  /// Every system has done its part of the request.
  public static let requestCompleted = AuditAction(rawValue: "request.completed")

  /// A subject was tombstoned; nothing of it is released from here on.
  public static let erasureStarted = AuditAction(rawValue: "erasure.started")
  /// The subject's key is destroyed; the code `key_commitment` names it.
  public static let erasureCompleted = AuditAction(rawValue: "erasure.completed")

  /// Fields were put under a hold: they will outlive the subject's erasure.
  public static let holdPlaced = AuditAction(rawValue: "hold.placed")
  /// At the subject's erasure, what a hold keeps was sealed under the hold's own key.
  public static let holdSealed = AuditAction(rawValue: "hold.sealed")
  /// What a hold keeps was opened.
  public static let holdOpened = AuditAction(rawValue: "hold.opened")
  /// A hold is over: its key is destroyed, and what it kept is deleted.
  public static let holdReleased = AuditAction(rawValue: "hold.released")

  /// A package of one subject's data was made.
  public static let exportCreated = AuditAction(rawValue: "export.created")
  /// Such a package was fetched.
  public static let exportDownloaded = AuditAction(rawValue: "export.downloaded")
  /// An erasure certificate was signed.
  public static let certificateIssued = AuditAction(rawValue: "certificate.issued")
  /// A subject's key came into being; the code `key_commitment` names it.
  public static let keyCreated = AuditAction(rawValue: "key.created")

  /// A rotation of key epochs began; the codes `from_epoch` and `to_epoch` name them.
  public static let keyRotationStarted = AuditAction(rawValue: "key.rotation_started")
  /// A batch of keys was wrapped again and their tags made again; the codes `keys` and `tags` count them.
  public static let keyRewrapped = AuditAction(rawValue: "key.rewrapped")
  /// An epoch's key was destroyed: what it wrapped opens nowhere any more.
  public static let keyEpochRetired = AuditAction(rawValue: "key.epoch_retired")

  /// A key whose subject was never committed is destroyed; the code `key_commitment` names it.
  public static let keyReaped = AuditAction(rawValue: "key.reaped")

  /// The first entry of a log.
  public static let logStarted = AuditAction(rawValue: "log.started")
  /// The clock stood before the last entry's time, and was held.
  public static let logClockAdjusted = AuditAction(rawValue: "log.clock_adjusted")
  /// The log itself was read.
  public static let logRead = AuditAction(rawValue: "log.read")
  /// The database was brought up to its archive.
  public static let logRecovered = AuditAction(rawValue: "log.recovered")
  /// The log got its next signing key; the codes `old_key` and `new_key` name both.
  public static let logKeyRotated = AuditAction(rawValue: "log.key_rotated")
  /// Entries have reached the end of their time; the codes `first_kept` and `policy` say which and why.
  public static let logEntriesExpired = AuditAction(rawValue: "log.entries_expired")
  /// The last entry of a log whose tenant has left.
  public static let logClosed = AuditAction(rawValue: "log.closed")
  /// Nothing else happened; the code `interval` promises, in seconds, how soon the next entry follows.
  public static let logHeartbeat = AuditAction(rawValue: "log.heartbeat")

  /// A caller was refused.
  public static let securityRefused = AuditAction(rawValue: "security.refused")
}
