import Custody
import StrictJSON

/// Where a profile's data comes from: what decides whether it may be too late.
public enum ProfileOrigin: Sendable, Hashable {
  /// The person gives it now: always accepted, with nothing taken over from before an erasure.
  case signUp
  /// An import, a webhook, a message of a queue. Refused when it carries an address, a number or an identity of
  /// somebody who was erased after `collectedAt`, microseconds since the Unix epoch; nil, when nobody knows since when
  /// the sender has it, counts as before every erasure.
  case imported(collectedAt: Int64?)

  /// The words for it in a body.
  static let words = ["sign_up", "import"]

  /// Reads `origin` and `collected_at`, and collects their faults: `format` for what is no RFC 3339 time, `range` for
  /// one in the future, `not_allowed` for one without an import.
  init(reading reader: ObjectReader, now: Int64 = Microseconds.now()) {
    let isImport = reader.oneOf("origin", Self.words, required: false) == "import"
    let text = reader.string("collected_at", maxCharacters: 40, required: false)
    var collectedAt: Int64?
    if let text {
      collectedAt = DateTime.microseconds(text)
      if !isImport {
        reader.fault("collected_at", "not_allowed")
      } else if let collectedAt {
        if collectedAt > now { reader.fault("collected_at", "range") }
      } else {
        reader.fault("collected_at", "format")
      }
    }
    self = isImport ? .imported(collectedAt: collectedAt) : .signUp
  }
}
