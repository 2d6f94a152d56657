internal import Signing

/// What is wrong at one place of an archive.
public struct Finding: Sendable, Hashable, CustomStringConvertible {
  /// Which check failed; one of the codes in `docs/audit-log-spec.md`, such as `leaf` or `chain`.
  public let check: String
  /// The file concerned, relative to the tenant's folder.
  public let file: String?
  /// The entry concerned.
  public let sequence: UInt64?
  /// One sentence for people; nothing of the file's content.
  public let message: String

  /// One line: check, place, sentence.
  public var description: String {
    var text = check
    if let file { text += " \(file)" }
    if let sequence { text += " entry \(sequence)" }
    return text + ": " + message
  }

  init(_ check: Check, file: String? = nil, sequence: UInt64? = nil, _ message: String) {
    self.check = check.rawValue
    self.file = file
    self.sequence = sequence
    self.message = message
  }

  init(_ error: AuditError, file: String) {
    let check: Check =
      switch error.code {
      case .signature: .signature
      case .missing: .missing
      case .notRegular, .tooLarge: .layout
      case .inputOutput, .busy: .input
      default: .parsing
      }
    self.init(check, file: error.file ?? file, sequence: error.sequence, error.description)
  }

  enum Check: String {
    case signature, origin, consistency, layout, missing, parsing, leaf, tile, root, chain, sequence, time
    case ledger, input, manifest, digest, retention, gap
    case verifierKey = "vkey"
    case rollback
  }
}

/// What the verification of one tenant's folder found.
public struct VerificationReport: Sendable {
  /// How many findings are kept; the rest are counted.
  public static let maximumFindings = 100

  /// The folder that was verified.
  public let folder: String
  /// The log's name, once a signed checkpoint said it.
  public internal(set) var origin: String?
  /// How many entries the checkpoint covers.
  public internal(set) var size: UInt64 = 0
  /// The root in the checkpoint, in base64.
  public internal(set) var root: String?
  /// How many entries were read and hashed.
  public internal(set) var entries: UInt64 = 0
  /// How many entries were deleted at the end of their time: their hashes are taken from the tiles.
  public internal(set) var expired: UInt64 = 0
  /// How many entries before the auditor's own checkpoint were not read again; their hashes are under the root.
  public internal(set) var skipped: UInt64 = 0
  /// How many completed erasures the log records.
  public internal(set) var erasures: UInt64 = 0
  /// How many exported checkpoints were verified.
  public internal(set) var checkpoints: UInt64 = 0
  /// How many manifests of sealed segments were verified.
  public internal(set) var manifests: UInt64 = 0
  /// How many entries are in sealed segments.
  public internal(set) var sealed: UInt64 = 0
  /// How many signing keys the log is known to have had.
  public internal(set) var keys = 0
  /// The longest time between two neighbouring entries that were read, in microseconds.
  public internal(set) var widestGap: Int64 = 0
  /// The entry behind that gap.
  public internal(set) var widestGapEnd: UInt64?
  /// The time of the last entry that was read, in microseconds since 1970-01-01T00:00:00Z.
  public internal(set) var lastTime: Int64?
  /// Well-named files beyond the checkpoint: an interrupted or running publication. Never trusted.
  public internal(set) var unpublished: UInt64 = 0
  /// What is wrong, in the order of the checks; empty for a valid log.
  public internal(set) var findings: [Finding] = []
  /// Findings beyond `maximumFindings`.
  public internal(set) var omitted: UInt64 = 0

  /// What the auditor should know although it is no failure; at most `maximumFindings` sentences.
  public internal(set) var notices: [String] = []

  /// Whether every check passed.
  public var isValid: Bool { findings.isEmpty }

  init(folder: String) {
    self.folder = folder
  }

  mutating func add(_ finding: Finding) {
    if findings.count < Self.maximumFindings { findings.append(finding) } else { omitted += 1 }
  }

  /// Takes over what a signed checkpoint says.
  mutating func trust(_ head: Checkpoint) {
    origin = head.origin
    size = head.size
    root = head.root.base64
  }

  mutating func note(_ sentence: String) {
    if notices.count < Self.maximumFindings { notices.append(sentence) }
  }
}
