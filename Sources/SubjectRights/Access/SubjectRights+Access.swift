import Audit
public import Custody
public import Foundation
import Policies
import Profiles
import Redaction
import Schema

extension SubjectRights {
  /// Executes an access or portability request: collects, seals the package under a key of its own, completes.
  /// Nothing is kept of an attempt that fails on the way; it can be made again.
  func executeAccess(
    _ request: SubjectRequest, _ context: AccessContext, answering: Answering<SubjectRequest>?
  ) async throws -> SubjectRequest {
    let context = context.with(purpose: .subjectRequest)
    let profile = try await profiles.profile(request.profile, context)
    let touches = try await custody.touches(of: request.subject, limit: 10_000, context)
    let requests = try await custody.rows(
      RequestStore.bySubject(request.subject, tenant: context.tenant), context
    ).map(RequestStore.decode)
    var notes: [UUID: String] = [:]
    for request in requests { notes[request.id] = try await note(of: request, context)?.disclosed() }
    let now = Microseconds.now()
    let bytes = try AccessPackage(
      request: request, profile: profile, requests: requests, notes: notes, touches: touches,
      at: now
    )
    .bytes()
    let id = UUID()
    let expires = now + Int64(policy.packageDays) * 86_400_000_000
    let sealed = try await custody.sealExpiring(
      bytes, as: .accessPackage, id: id, of: request.subject, expires: expires, context)
    return try await step(request.id, context, from: [.verified], .exportCreated, answering) { current, unit in
      try PackageStore.insert(
        PackageStore.Sealed(id: id, subject: current.subject, sealed: sealed, expiresAt: expires), request: current.id,
        at: unit.now, tenant: context.tenant, in: unit.database)
      try RequestStore.startExecution(
        current.id, by: context.actor, at: unit.now, tenant: context.tenant, in: unit.database)
      try RequestStore.complete(current.id, at: unit.now, tenant: context.tenant, in: unit.database)
      unit.record(.requestCompleted, subject: current.subject, codes: Self.codes(current))
    }
  }

  /// The package of a completed access request. Each download is in the log before it leaves.
  public func package(of id: UUID, _ context: AccessContext) async throws -> [UInt8] {
    let request = try await request(id, context)
    guard let row = try await custody.rows(PackageStore.byRequest(id, tenant: context.tenant), context).first else {
      if request.type != .erasure && request.state == .completed {
        // Completed and gone: by its time, or with its subject.
        _ = try await profiles.subject(of: request.profile, context)
        throw SubjectRightsError(.packageExpired, state: request.state)
      }
      throw SubjectRightsError(.notReady, state: request.state)
    }
    let package = try PackageStore.decode(row)
    guard package.expiresAt > Microseconds.now() else {
      throw SubjectRightsError(.packageExpired, state: request.state)
    }
    return try await custody.openExpiring(
      package.sealed, as: .accessPackage, id: package.id, of: package.subject, action: .exportDownloaded,
      codes: Self.codes(request), context.with(purpose: .subjectRequest))
  }

  /// Deletes a tenant's packages whose time has passed; their keys go by themselves.
  public func deleteExpiredPackages(in tenant: TenantID) async throws {
    try await custody.operate(.operation(tenant)) { unit in
      _ = try PackageStore.deleteExpired(before: unit.now, tenant: tenant, in: unit.database)
    }
  }
}
