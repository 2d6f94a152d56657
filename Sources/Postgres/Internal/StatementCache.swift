/// Which statements a connection has prepared, by text and bind types; the least recently used one makes room.
///
/// Pure bookkeeping: the connection sends what it says.
struct StatementCache {
  struct Key: Hashable {
    let text: String
    let types: [UInt32]
  }

  /// What to send before a statement can be executed by `name`.
  struct Plan: Equatable {
    let name: String
    let isNew: Bool
    let evicted: String?
  }

  let capacity: Int
  private var entries: [Key: (name: String, used: UInt64)] = [:]
  private var clock: UInt64 = 0

  init(capacity: Int) { self.capacity = capacity }

  var count: Int { entries.count }

  mutating func plan(_ key: Key) -> Plan {
    clock += 1
    if let entry = entries[key] {
      entries[key]?.used = clock
      return Plan(name: entry.name, isNew: false, evicted: nil)
    }
    var evicted: String?
    if entries.count >= capacity, let oldest = entries.min(by: { $0.value.used < $1.value.used }) {
      entries[oldest.key] = nil
      evicted = oldest.value.name
    }
    let name = "s\(clock)"
    entries[key] = (name, clock)
    return Plan(name: name, isNew: true, evicted: evicted)
  }

  /// Forgets a statement the server refused to prepare.
  mutating func forget(_ key: Key) { entries[key] = nil }
}

extension SQL {
  var cacheKey: StatementCache.Key { .init(text: text, types: binds.map(\.type)) }
}
