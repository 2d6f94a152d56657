import Audit
public import Custody
import Foundation
import Logging

extension ErasureRunner {
  /// How many erasures one look at the database lists.
  private static let page = 500

  /// Re-issues, for every tenant, the certificates that have become final; see ``finalise(_:)``. One tenant's trouble
  /// holds up nobody else. Returns how many were issued.
  @discardableResult
  public func finaliseAll(atMost limit: Int = .max) async throws -> Int {
    let retired = try await custody.retiredEpochs()
    if retired.isEmpty { return 0 }
    var issued = 0
    for tenant in try await custody.tenants() {
      do {
        issued += try await finalise(tenant.id, retired, atMost: limit)
      } catch {
        logger.error("final certificates can't be issued", metadata: ["tenant": "\(tenant.id)", "error": "\(error)"])
      }
    }
    return issued
  }

  /// Issues the final certificate of every certified erasure whose epoch is retired, and issues one again that names
  /// more outstanding copies of the keyring than there still are.
  ///
  /// Each is one commit, guarded by a row lock on the erasure; one that fails is reported and left for the next time.
  /// Returns how many were issued.
  @discardableResult
  public func finalise(_ tenant: TenantID) async throws -> Int {
    try await finalise(tenant, try await custody.retiredEpochs(), atMost: .max)
  }

  private func finalise(
    _ tenant: TenantID, _ retired: [(epoch: Int32, retiredAt: Int64)], atMost limit: Int
  ) async throws -> Int {
    let ordered = retired.sorted { $0.epoch < $1.epoch }
    guard let newest = ordered.last?.epoch else { return 0 }
    let operation = AccessContext.operation(tenant)
    var copies: [Int32: Int32] = [:]
    func outstanding(_ epoch: Int32) async throws -> Int32 {
      if let known = copies[epoch] { return known }
      let count = Int32(clamping: try await custody.outstandingCopies(of: epoch))
      copies[epoch] = count
      return count
    }
    var issued = 0
    var last: UUID?
    repeat {
      let after = last
      let due = try await custody.operate(operation) { unit in
        try ErasureStore.notFinal(
          upTo: newest, after: after, limit: Self.page, tenant: tenant, in: unit.database)
      }
      for (request, epoch) in due where issued < limit {
        guard let retired = ordered.first(where: { $0.epoch >= epoch }) else { continue }
        let copies = try await outstanding(epoch)
        if await issueFinal(request, retiredAt: retired.retiredAt, copies: copies, operation) { issued += 1 }
      }
      last = due.count < Self.page ? nil : due.last?.request
    } while last != nil && issued < limit
    return try await issued + attest(tenant, operation, outstanding)
  }

  /// Issues again what names more copies of the keyring than are outstanding now.
  private func attest(
    _ tenant: TenantID, _ operation: AccessContext, _ outstanding: (Int32) async throws -> Int32
  ) async throws -> Int {
    let epochs = try await custody.operate(operation) { unit in
      try ErasureStore.epochsWithCopies(tenant: tenant, in: unit.database)
    }
    var issued = 0
    for epoch in epochs {
      let copies = try await outstanding(epoch)
      var last: UUID?
      repeat {
        let after = last
        let due = try await custody.operate(operation) { unit in
          try ErasureStore.namingMore(
            than: copies, of: epoch, after: after, limit: Self.page, tenant: tenant, in: unit.database)
        }
        for request in due where await issueFinal(request, retiredAt: nil, copies: copies, operation) { issued += 1 }
        last = due.count < Self.page ? nil : due.last
      } while last != nil
    }
    return issued
  }

  /// One final certificate in one commit; false when another runner was first, or when it failed.
  ///
  /// - Parameter retiredAt: nil for one that is final already, and stays so on its day.
  private func issueFinal(
    _ request: UUID, retiredAt: Int64?, copies: Int32, _ operation: AccessContext
  ) async -> Bool {
    let checkpointer = checkpointer
    do {
      return try await custody.operate(operation) { unit in
        let erasure = try Self.held(request, unit)
        guard erasure.step == .certified, let certificate = erasure.certificate, let epoch = erasure.keyEpoch else {
          return false
        }
        let isFinal = erasure.finalCertificate != nil
        guard isFinal ? erasure.keyCopies.map({ $0 > copies }) ?? false : retiredAt != nil,
          let day = isFinal ? erasure.keyBackupsDeadBy : retiredAt.map({ Self.day($0) })
        else { return false }
        let final = try Self.finalCertificate(
          certificate, epoch: epoch, retiredOn: day, copies: copies, checkpointer: checkpointer,
          tenant: operation.tenant)
        try ErasureStore.finalised(
          request, certificate: final, deadBy: day, copies: copies, at: unit.now, tenant: operation.tenant,
          in: unit.database)
        unit.recordAboutErasure(
          .certificateIssued, subject: erasure.subject,
          codes: Self.codes(erasure).merging(
            [
              "stage": CertificateStage.final.rawValue, "key_epoch": String(epoch), "key_copies": String(copies),
            ]
          ) { first, _ in first })
        return true
      }
    } catch {
      logger.error(
        "a final certificate was not issued",
        metadata: ["request": "\(request.uuidString.lowercased())", "error": "\(error)"])
      return false
    }
  }
}
