import Audit
public import Custody
public import Foundation
import Profiles

extension SubjectRights {
  /// Executes a request whose turn it is. Access is answered at once; an erasure is ordered, and carried out by
  /// ``ErasureRunner``: the request is `executing` until it is completed. Where the person is erased already, by another
  /// request, it is completed at once.
  public func execute(_ id: UUID, _ context: AccessContext, answering: Answering<SubjectRequest>? = nil) async throws
    -> SubjectRequest
  {
    let request = try await request(id, context)
    switch request.type {
    case .access, .portability:
      guard request.state == .verified else { throw SubjectRightsError(.wrongState, state: request.state) }
      return try await executeAccess(request, context, answering: answering)
    case .erasure:
      guard request.state == .approved else { throw SubjectRightsError(.wrongState, state: request.state) }
      let earlier = try await custody.rows(
        ErasureStore.bySubject(request.subject, tenant: context.tenant), context
      ).first.map(ErasureStore.decode)
      let (commitment, destroyedAt) = try await custody.keyCommitment(of: request.subject, context)
      if let earlier {
        guard earlier.step >= .completed else { throw SubjectRightsError(.alreadyOrdered, state: request.state) }
      }
      if earlier != nil || destroyedAt != nil { return try await completeErased(id, context, answering) }
      return try await step(id, context, from: [.approved], .requestExecuting, answering) { current, unit in
        let ordered = try ErasureStore.order(
          id, subject: current.subject, actor: context.actor, commitment: commitment, at: unit.now,
          tenant: context.tenant, in: unit.database)
        guard ordered else { throw SubjectRightsError(.alreadyOrdered, state: current.state) }
        try RequestStore.startExecution(id, by: context.actor, at: unit.now, tenant: context.tenant, in: unit.database)
      }
    }
  }

  /// Completes an approved erasure of a person who is erased. Nothing is left to do, and no key to keep the answer
  /// under: it holds ids, states and times only.
  private func completeErased(_ id: UUID, _ context: AccessContext, _ answering: Answering<SubjectRequest>?)
    async throws -> SubjectRequest
  {
    try await custody.write(context) { unit in
      guard let request = try RequestStore.locked(id, tenant: context.tenant, in: unit.database) else {
        throw CustodyError(.notFound)
      }
      guard request.state == .approved else { throw SubjectRightsError(.wrongState, state: request.state) }
      try RequestStore.completeErased(id, by: context.actor, at: unit.now, tenant: context.tenant, in: unit.database)
      unit.recordAboutErasure(
        .requestCompleted, subject: request.subject,
        codes: Self.codes(request).merging(["reason": "already_erased"]) { first, _ in first })
      guard let completed = try RequestStore.locked(id, tenant: context.tenant, in: unit.database) else {
        throw CustodyError(.notFound)
      }
      try unit.keep(completed, answering)
      return completed
    }
  }

  /// How far the erasure of a request is; nil while none is ordered.
  public func erasure(of id: UUID, _ context: AccessContext) async throws -> ErasureProgress? {
    try await erasures(of: [id], context)[id]
  }

  /// How far the erasures of those requests are; absent while none is ordered.
  public func erasures(of ids: [UUID], _ context: AccessContext) async throws -> [UUID: ErasureProgress] {
    if ids.isEmpty { return [:] }
    let rows = try await custody.rows(ErasureStore.progress(of: ids, tenant: context.tenant), context)
    return Dictionary(try rows.map(ErasureStore.decodeProgress)) { first, _ in first }
  }

  /// The newest certificate of a completed erasure, as it was signed: the final one once it is there. Throws `.notReady` before the checkpoint that covers
  /// the erasure is published.
  public func certificate(of id: UUID, _ context: AccessContext) async throws -> [UInt8] {
    let request = try await request(id, context)
    let rows = try await custody.rows(ErasureStore.byRequest(id, tenant: context.tenant), context)
    let erasure = try rows.first.map(ErasureStore.decode)
    guard let certificate = erasure?.finalCertificate ?? erasure?.certificate else {
      throw SubjectRightsError(.notReady, state: request.state)
    }
    return certificate
  }
}
