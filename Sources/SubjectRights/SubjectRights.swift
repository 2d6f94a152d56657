import Audit
public import Custody
public import Foundation
public import Policies
import Postgres
public import Profiles
public import Redaction
import Schema

/// A data subject's requests: opened, verified, approved by a second person, executed, certified.
///
/// Throws ``Custody/CustodyError`` and ``SubjectRightsError``.
public struct SubjectRights: Sendable {
  let custody: Custody
  let profiles: Profiles
  let policy: RetentionPolicy

  /// Requests behind that door, under that policy.
  public init(custody: Custody, profiles: Profiles, policy: RetentionPolicy) {
    self.custody = custody
    self.profiles = profiles
    self.policy = policy
  }

  /// Opens a request about the person of a profile.
  public func open(_ draft: RequestDraft, _ context: AccessContext, answering: Answering<SubjectRequest>? = nil)
    async throws -> SubjectRequest
  {
    let subject = try await profiles.subject(of: draft.profile, context)
    return try await custody.write(context, subjects: .existing([subject])) { unit in
      let request = SubjectRequest(
        id: UUID(), type: draft.type, state: .received, subject: subject, profile: draft.profile,
        jurisdiction: draft.jurisdiction, verificationMethod: nil, openedBy: context.actor, verifiedBy: nil,
        approvedBy: nil, executedBy: nil, openedAt: unit.now, verifiedAt: nil, approvedAt: nil, executedAt: nil,
        completedAt: nil, version: 1)
      let note = try draft.note.map { try unit.seal($0, as: .requestNote, row: request.id, of: subject) }
      try RequestStore.insert(request, note: note, tenant: context.tenant, in: unit.database)
      unit.record(.requestOpened, subject: subject, codes: Self.codes(request))
      try unit.keep(request, answering, personal: subject)
      return request
    }
  }

  /// One request.
  public func request(_ id: UUID, _ context: AccessContext) async throws -> SubjectRequest {
    guard let row = try await custody.rows(RequestStore.byID(id, tenant: context.tenant), context).first else {
      throw CustodyError(.notFound)
    }
    return try RequestStore.decode(row)
  }

  /// The officer's note of a request, opened and so in the log; nil without one, or once the subject is erased.
  public func note(of request: SubjectRequest, _ context: AccessContext) async throws -> Personal<String>? {
    let rows = try await custody.rows(RequestStore.note(request.id, tenant: context.tenant), context)
    guard let sealed = try rows.first?.decode("note_sealed", as: [UInt8]?.self) else { return nil }
    do {
      return try await custody.read(context, of: [request.subject]) { opener in
        try opener.open(sealed, as: .requestNote, row: request.id, of: request.subject)
      }
    } catch let error as CustodyError where error.code == .erased {
      return nil
    }
  }

  /// A page of requests in a stable order; `limit` is 1 to 200.
  public func page(
    state: RequestState?, type: RequestType?, after cursor: UUID?, limit: Int, _ context: AccessContext
  ) async throws -> (requests: [SubjectRequest], next: UUID?) {
    let rows = try await custody.rows(
      RequestStore.page(state: state, type: type, after: cursor, limit: limit + 1, tenant: context.tenant), context)
    let requests = try rows.map(RequestStore.decode)
    let shown = Array(requests.prefix(limit))
    return (shown, requests.count > limit ? shown.last?.id : nil)
  }

  /// Notes that the person's identity was verified, and how. An erasure then needs a second person's approval.
  public func verify(
    _ id: UUID, by method: VerificationMethod, _ context: AccessContext,
    answering: Answering<SubjectRequest>? = nil
  ) async throws -> SubjectRequest {
    try await step(id, context, from: [.received], .requestVerified, answering) { request, unit in
      try RequestStore.verify(
        id, method: method, by: context.actor, to: request.type == .erasure ? .needsApproval : .verified, at: unit.now,
        tenant: context.tenant, in: unit.database)
    }
  }

  /// Approves an erasure. Throws `.sameOfficer` for whoever opened the request, and puts the attempt into the log.
  public func approve(_ id: UUID, _ context: AccessContext, answering: Answering<SubjectRequest>? = nil) async throws
    -> SubjectRequest
  {
    do {
      return try await step(id, context, from: [.needsApproval], .requestApproved, answering) { request, unit in
        guard request.openedBy != context.actor else { throw SubjectRightsError(.sameOfficer, state: request.state) }
        try RequestStore.approve(id, by: context.actor, at: unit.now, tenant: context.tenant, in: unit.database)
      }
    } catch let error as SubjectRightsError where error.code == .sameOfficer {
      try await custody.note(
        context, .requestApproved, outcome: .denied,
        codes: ["request": id.uuidString.lowercased(), "reason": error.code.rawValue])
      throw error
    }
  }

  /// One change of state in one unit of work.
  func step(
    _ id: UUID, _ context: AccessContext, from states: [RequestState], _ action: AuditAction,
    _ answering: Answering<SubjectRequest>?,
    _ change: @escaping @Sendable (SubjectRequest, UnitOfWork) throws -> Void
  ) async throws -> SubjectRequest {
    let subject = try await request(id, context).subject
    return try await custody.write(context, subjects: .existing([subject])) { unit in
      guard let request = try RequestStore.locked(id, tenant: context.tenant, in: unit.database) else {
        throw CustodyError(.notFound)
      }
      guard states.contains(request.state) else { throw SubjectRightsError(.wrongState, state: request.state) }
      try change(request, unit)
      unit.record(action, subject: subject, codes: Self.codes(request))
      guard let changed = try RequestStore.locked(id, tenant: context.tenant, in: unit.database) else {
        throw CustodyError(.notFound)
      }
      try unit.keep(changed, answering, personal: subject)
      return changed
    }
  }

  static func codes(_ request: SubjectRequest) -> [String: String] {
    ["request": request.id.uuidString.lowercased(), "type": request.type.rawValue]
  }
}
