import Audit
import Foundation
import Postgres
import Profiles
import Schema
import ServiceTesting
import Synchronization
import Testing

@testable import Custody

/// `LETHE_APPENDS` says how many entries, 20,000 without it.
@Suite("Appending at once")
struct JournalAppendTests {
  private static let appends = ProcessInfo.processInfo.environment["LETHE_APPENDS"].flatMap { Int($0) } ?? 20_000

  /// How many entries are left to append, shared by everybody who appends.
  private final class Budget: Sendable {
    private let left: Mutex<Int>
    private let done = Mutex<[TenantID: Int]>([:])

    init(_ count: Int) { left = Mutex(count) }

    func take(_ count: Int) -> Int {
      left.withLock { left in
        let taken = min(count, left)
        left -= taken
        return taken
      }
    }

    func appended(_ count: Int, to tenant: TenantID) { done.withLock { $0[tenant, default: 0] += count } }
    func appended(to tenant: TenantID) -> Int { done.withLock { $0[tenant, default: 0] } }
  }

  @Test(
    "in several tenants and by two processes, one by one and in bulk, alarms nobody who verifies",
    .timeLimit(.minutes(appends > 100_000 ? 120 : 5)))
  func noFalseAlarm() async throws {
    try await withHouse { house in
      let others = [TenantID(UUID()), TenantID(UUID())]
      for tenant in others {
        _ = try await house.custody.createTenant(Tenant(id: tenant, kind: .merchant, name: "Shop"))
      }
      let tenants = [house.tenant] + others
      var people: [TenantID: SubjectID] = [:]
      for tenant in tenants {
        let context = AccessContext(
          tenant: tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
        people[tenant] = try await house.profiles.create(try ProfileDraft(email: "a@example.org"), context).subject
      }
      let subjects = people
      let budget = Budget(Self.appends)
      try await house.withPatientCustody { second in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<96 {
            let custody = number % 2 == 0 ? house.custody : second
            let tenant = tenants[number / 2 % tenants.count]
            group.addTask { try await append(custody, tenant, subjects[tenant], kind: number / 6, budget) }
          }
          // Checkpoints while entries come, by both of them.
          group.addTask {
            for round in 0..<6 {
              for tenant in tenants { _ = try await house.server.checkpointer.publish(tenant) }
              try await Task.sleep(for: .milliseconds(50 * round))
            }
          }
          try await group.waitForAll()
        }
      }
      var total = 0
      for tenant in tenants {
        let size = try await house.server.checkpointer.publish(tenant)
        let report = try house.verifiedArchive(tenant)
        #expect(report.findings == [])
        // The log's start, and the person.
        #expect(report.entries == UInt64(3 + budget.appended(to: tenant)))
        #expect(size == report.entries)
        total += budget.appended(to: tenant)
        let heads = try await house.number("SELECT size FROM audit.heads WHERE tenant_id = \(tenant.uuid)")
        #expect(heads == Int64(report.entries))
      }
      #expect(total == Self.appends)
    }
  }

  /// Appends until nothing is left: one entry at a time through the journal, or a unit of work with many.
  private func append(
    _ custody: Custody, _ tenant: TenantID, _ subject: SubjectID?, kind: Int, _ budget: Budget
  ) async throws {
    let subject = try #require(subject)
    while true {
      let context = AccessContext(
        tenant: tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
      let count = budget.take(kind == 0 ? 250 : 1)
      if count == 0 { return }
      switch kind {
      case 0:
        try await custody.operate(context) { unit in
          for _ in 0..<count { unit.record(.keyReaped) }
        }
      case 1:
        try await custody.write(context, subjects: .existing([subject])) { unit in
          unit.record(.profileUpdated, subject: subject, fields: [.profileFullName])
        }
      case 2...5: try await custody.note(context, .securityRefused, outcome: .denied, codes: ["reason": "scope"])
      default: try await custody.read(context, of: [subject]) { _ in }
      }
      budget.appended(count, to: tenant)
    }
  }
}
