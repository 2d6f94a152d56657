import Foundation
import Policies
import StrictJSON
import Testing

@Suite("The policy of the log's retention")
struct LogRetentionPolicyTests {
  private func policy(_ members: String) throws -> RetentionPolicy {
    try RetentionPolicy(
      parsing: Array(#"{"schema":"retention/v1","data_backup_days":35,"package_days":7\#(members)}"#.utf8))
  }

  private func faults(_ members: String) throws -> [String] {
    do {
      _ = try policy(members)
      return []
    } catch let faults as FieldErrors {
      return faults.errors.map { "\($0.pointer) \($0.code)" }
    }
  }

  @Test("a policy that says nothing of it keeps entries ten years, one of them in the database, and its version")
  func standard() throws {
    let policy = try policy("")
    #expect(policy == .standard)
    #expect(policy.log == LogRetention(days: 3_650, databaseDays: 365))
    #expect(policy.log(of: UUID()) == policy.log)
    let named = try self.policy(#","log_days":3650,"log_database_days":365"#)
    #expect(named.version == policy.version)
  }

  @Test("a tenant's own terms count for that tenant, and what they leave out is everybody's")
  func tenants() throws {
    let (one, two) = (UUID(), UUID())
    let policy = try policy(
      #","log_days":1000,"log_database_days":100,"tenants":{"\#(one.uuidString.lowercased())":{"log_days":50},"#
        + #""\#(two.uuidString.lowercased())":{"log_database_days":10}}"#)
    #expect(policy.log(of: one) == LogRetention(days: 50, databaseDays: 50))
    #expect(policy.log(of: two) == LogRetention(days: 1_000, databaseDays: 10))
    #expect(policy.log(of: UUID()) == LogRetention(days: 1_000, databaseDays: 100))
    #expect(policy.version != RetentionPolicy.standard.version)
    #expect(policy.version.count == 16)
  }

  @Test("what is wrong is named with its place")
  func wrong() throws {
    #expect(try faults(#","log_days":29"#) == ["/log_days range"])
    #expect(try faults(#","log_days":"100""#) == ["/log_days type"])
    #expect(try faults(#","log_days":100,"log_database_days":101"#) == ["/log_database_days range"])
    #expect(try faults(#","tenants":[]"#) == ["/tenants type"])
    #expect(try faults(#","tenants":{"shop":{"log_days":50}}"#) == ["/tenants/shop format"])
    let tenant = UUID().uuidString
    #expect(try faults(#","tenants":{"\#(tenant)":{"log_days":50}}"#) == ["/tenants/\(tenant) format"])
    let known = tenant.lowercased()
    #expect(try faults(#","tenants":{"\#(known)":{"logdays":50}}"#) == ["/tenants/\(known)/logdays unknown"])
    #expect(try faults(#","log_year":1"#) == ["/log_year unknown"])
  }
}
