import Audit
import Postgres

extension Checkpointer {
  /// Adds an entry `log.heartbeat` to a log whose last entry is that many seconds old; false when it isn't, when there
  /// is no entry yet, or when the log is closed. However many replicas ask, one of them adds it: it is decided under the
  /// log's head.
  @discardableResult
  public func heartbeat(_ tenant: TenantID, every seconds: Int) async throws -> Bool {
    let interval = Int64(seconds) * 1_000_000
    @Sendable func isDue(_ head: AuditLogStore.Head) -> Bool {
      !head.isClosed && head.size > 0 && Microseconds.now() - head.lastTime >= interval
    }
    let context = AccessContext.operation(tenant)
    let seen = try await custody.translating {
      try await custody.worker.transaction(settings: context.settings, readOnly: true) {
        try AuditLogStore.readHead(tenant: tenant, in: $0)
      }
    }
    guard isDue(seen) else { return false }
    return try await custody.operate(context) { unit in
      try unit.takeHead()
      guard let head = unit.head, isDue(head) else { return false }
      unit.record(.logHeartbeat, codes: ["interval": String(seconds)])
      return true
    }
  }
}
