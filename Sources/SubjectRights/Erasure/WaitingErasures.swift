public import Custody
import Postgres

extension ErasureRunner {
  /// How many erasures, over all tenants, wait for the end of each epoch to be final.
  public static func waitingErasures(_ custody: Custody) async throws -> [Int32: Int] {
    var total: [Int32: Int] = [:]
    for tenant in try await custody.tenants() {
      let counts = try await custody.operate(.operation(tenant.id)) { unit in
        try ErasureStore.waiting(tenant: tenant.id, in: unit.database)
      }
      total.merge(counts, uniquingKeysWith: +)
    }
    return total
  }
}
