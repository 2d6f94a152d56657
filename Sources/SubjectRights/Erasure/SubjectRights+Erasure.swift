import Audit
public import Custody
public import Foundation
import Profiles

extension SubjectRights {
  /// Executes a request whose turn it is. Access is answered at once; an erasure is ordered, and carried out by
  /// ``ErasureRunner``: the request is `executing` until it is completed.
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
      let commitment = try await custody.keyCommitment(of: request.subject, context).commitment
      return try await step(id, context, from: [.approved], .requestExecuting, answering) { current, unit in
        let ordered = try ErasureStore.order(
          id, subject: current.subject, actor: context.actor, commitment: commitment, at: unit.now,
          tenant: context.tenant, in: unit.database)
        guard ordered else { throw SubjectRightsError(.alreadyOrdered, state: current.state) }
        try RequestStore.startExecution(id, by: context.actor, at: unit.now, tenant: context.tenant, in: unit.database)
      }
    }
  }

  /// How far the erasure of a request is; nil while none is ordered.
  public func erasure(of id: UUID, _ context: AccessContext) async throws -> ErasureProgress? {
    guard let row = try await custody.rows(ErasureStore.byRequest(id, tenant: context.tenant), context).first else {
      return nil
    }
    let erasure = try ErasureStore.decode(row)
    return ErasureProgress(
      step: erasure.step, destroyedAt: erasure.destroyedAt, completedSequence: erasure.completedSequence,
      isCertified: erasure.certificate != nil)
  }

  /// The certificate of a completed erasure, as it was signed. Throws `.notReady` before the checkpoint that covers
  /// the erasure is published.
  public func certificate(of id: UUID, _ context: AccessContext) async throws -> [UInt8] {
    let request = try await request(id, context)
    let rows = try await custody.rows(ErasureStore.byRequest(id, tenant: context.tenant), context)
    guard let certificate = try rows.first.map(ErasureStore.decode)?.certificate else {
      throw SubjectRightsError(.notReady, state: request.state)
    }
    return certificate
  }
}
