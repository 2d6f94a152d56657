public import Custody
public import Redaction
import Schema
import Vault

extension Profiles {
  /// Whose profile has the `sub` of the person who asks. Throws ``Custody/CustodyError`` `.notFound`, or `.erased` when
  /// that person is tombstoned. Opens nothing.
  public func ownSubject(_ identity: Personal<String>, _ context: AccessContext) async throws -> SubjectID {
    guard let found = try await custody.lookUp(identity, as: .identity, context) else {
      throw CustodyError(.notFound)
    }
    return try await subject(of: found.row, context)
  }

  /// Masks of live values, by person and name of field: enough to recognise, for whoever looks at the log.
  ///
  /// Only the fields that are asked for are opened; all of it is one reading, in the log before this returns. Persons
  /// without a profile, and those that are erased by then, are left out; so are names that are no field of a profile.
  public func masked(_ wanted: [SubjectID: Set<String>], _ context: AccessContext) async throws
    -> [SubjectID: [String: String]]
  {
    var attempts = 0
    var gone: Set<SubjectID> = []
    while true {
      let asked = wanted.filter { !gone.contains($0.key) && !$0.value.isDisjoint(with: Self.maskedFields) }
      // Whoever is live and has nothing to show is known to be live.
      let others = wanted.keys.filter { !gone.contains($0) && asked[$0] == nil }.map { ($0, [String: String]()) }
      let unmasked = Dictionary(others) { first, _ in first }
      if asked.isEmpty { return unmasked }
      let rows = try await custody.rows(
        ProfileStore.bySubjects(Array(asked.keys), tenant: context.tenant), context)
      let shown = try rows.map(ProfileStore.decode).filter { $0.subjectIsLive && !gone.contains($0.subject) }
      let erased = Set(try rows.map(ProfileStore.decode).filter { !$0.subjectIsLive }.map(\.subject))
      let without = asked.keys.filter { subject in
        !erased.contains(subject) && !shown.contains { $0.subject == subject }
      }
      do {
        var masked = try await masks(of: shown, asked, context)
        masked.merge(unmasked) { first, _ in first }
        for subject in without { masked[subject] = [:] }
        return masked
      } catch let error as CustodyError where error.code == .erased && attempts < 5 {
        // Somebody was erased while it was opened: once more, without them.
        attempts += 1
        gone.formUnion(try await custody.erased(among: shown.map(\.subject), context))
      }
    }
  }

  private static let maskedFields: Set<String> = Set(
    [PersonalField.profileFullName, .profileEmail, .profilePhone, .profileIdentity].map(\.name))

  private func masks(
    of profiles: [ProfileStore.Sealed], _ wanted: [SubjectID: Set<String>], _ context: AccessContext
  ) async throws -> [SubjectID: [String: String]] {
    if profiles.isEmpty { return [:] }
    return try await custody.read(context, of: profiles.map(\.subject)) { opener in
      var result: [SubjectID: [String: String]] = [:]
      for profile in profiles {
        var masks: [String: String] = [:]
        let fields: [(PersonalField, [UInt8]?, (String) -> String)] = [
          (.profileFullName, profile.fullName, Mask.name), (.profileEmail, profile.email, Mask.email),
          (.profilePhone, profile.phone, Mask.phone),
          // An identifier has no part that only helps to recognise.
          (.profileIdentity, profile.identity, { _ in "•••" }),
        ]
        for (field, sealed, mask) in fields where wanted[profile.subject]?.contains(field.name) == true {
          guard let sealed else { continue }
          let value = try opener.open(sealed, as: field, row: profile.id, of: profile.subject)
          masks[field.name] = mask(value.disclosed())
        }
        result[profile.subject] = masks
      }
      return result
    }
  }
}
