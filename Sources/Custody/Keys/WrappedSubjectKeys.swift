import Vault

/// The live keys of some subjects, wrapped until each is needed: work on thousands holds one of them open at a time.
struct WrappedSubjectKeys: Sendable {
  private let tenant: TenantID
  private let wrapped: [SubjectID: WrappedKey]
  private let keys: SubjectKeys

  init(tenant: TenantID, wrapped: [SubjectID: WrappedKey], keys: SubjectKeys) {
    self.tenant = tenant
    self.wrapped = wrapped
    self.keys = keys
  }

  /// Whose keys they are.
  var subjects: [SubjectID] { Array(wrapped.keys) }

  /// Unwraps one; nil for a subject without a live key. Throws what unwrapping throws.
  func key(of subject: SubjectID) throws -> DataKey? {
    guard let wrapped = wrapped[subject] else { return nil }
    return try keys.unwrap(wrapped, for: SubjectKeys.owner(of: subject, in: tenant))
  }
}
