/// Reads sent together, each a read-only transaction of its own.
///
/// A statement that is new to the connection is prepared in a segment of its own before the first read that needs it,
/// so that one read's failure can't keep another from finding its statement.
struct ReadBatch {
  private enum Role {
    case deallocate
    case prepare(StatementCache.Key)
    case read(Ticket, StatementCache.Key, Slot<[Row]>)
  }

  private let tickets: [Ticket]
  private let mayRepeat: Bool

  init(_ tickets: [Ticket], mayRepeat: Bool) {
    self.tickets = tickets
    self.mayRepeat = mayRepeat
  }

  /// Settles the tickets, and returns those that should be asked again on another connection.
  func run(on connection: Connection, until shouldCancel: @escaping () -> Bool) -> [Ticket] {
    var segments: [[Connection.Step]] = []
    var roles: [Role] = []

    func name(_ sql: SQL) -> String {
      let plan = connection.statements.plan(sql.cacheKey)
      if let evicted = plan.evicted {
        segments.append([.command("DEALLOCATE \(evicted)")])
        roles.append(.deallocate)
      }
      if plan.isNew {
        segments.append([.prepare(name: plan.name, sql: sql)])
        roles.append(.prepare(sql.cacheKey))
      }
      return plan.name
    }

    for ticket in tickets {
      guard case .read(let sql, let settings, let slot) = ticket.work else { continue }
      // Set like any other setting: true is always allowed, and it ends with the transaction.
      let all = [SessionSetting(name: "transaction_read_only", value: "on")] + settings
      guard let setup = SQL.settings(all) else { continue }
      let steps: [Connection.Step] = [
        .execute(name: name(setup), binds: setup.binds), .execute(name: name(sql), binds: sql.binds),
      ]
      segments.append(steps)
      roles.append(.read(ticket, sql.cacheKey, slot))
    }

    var refused: [StatementCache.Key: PostgresError] = [:]
    var again: [Ticket] = []
    connection.exchange(segments, until: shouldCancel) { index, replies in
      switch roles[index] {
      case .deallocate: break
      case .prepare(let key):
        guard let failure = replies.firstFailure else { return }
        connection.statements.forget(key)
        // A connection that turns out to be gone refuses nothing: the read itself is asked again.
        if !failure.isOfConnection { refused[key] = failure }
      case .read(let ticket, let key, let slot):
        if let failure = replies.firstFailure {
          if mayRepeat, failure.isOfConnection, refused[key] == nil {
            again.append(ticket)
          } else {
            ticket.settle(refused[key] ?? failure)
          }
        } else if case .done(let rows, _, _) = replies.last {
          slot.put(rows)
          ticket.settle(nil)
        } else {
          ticket.settle(PostgresError(.connection, message: "no reply"))
        }
      }
    }
    return again.filter { !$0.isSettled }
  }
}

extension PostgresError {
  /// Whether another connection may do better: this one is gone, a cached plan's result type has changed (0A000), or a
  /// prepared statement is gone (26000).
  var isOfConnection: Bool { code == .connection || sqlState == "0A000" || sqlState == "26000" }
}
