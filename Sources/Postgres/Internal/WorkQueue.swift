import Foundation

/// Work waiting for a connection, first come, first served; reads are handed out many at a time.
///
/// `@unchecked Sendable`: every stored variable is read and written with `condition` locked.
final class WorkQueue: @unchecked Sendable {
  enum Batch {
    case reads([Ticket])
    case transaction(Ticket)
    /// The thread's connection is of an earlier generation: to be closed before anything else.
    case outdated
  }

  /// How many reads one connection takes at once.
  static let drain = 32

  private let condition = NSCondition()
  private var reads = Line()
  private var transactions = Line()
  private var arrivals: UInt64 = 0
  private var isClosed = false
  private var isHalted = false
  private var currentGeneration: UInt64 = 0
  private var isSwept = false
  private var threads = 0
  private var farewells: [CheckedContinuation<Void, Never>] = []

  /// Connections of an earlier generation must not be used any more.
  var generation: UInt64 { condition.withLock { currentGeneration } }
  var hasClosed: Bool { condition.withLock { isClosed } }

  /// Adds work, or settles it at once when the queue is closed or halted.
  func add(_ ticket: Ticket) {
    condition.lock()
    if isClosed || isHalted {
      let refusal = PostgresError(isClosed ? .poolClosed : .identityChanged)
      condition.unlock()
      ticket.settle(refusal)
      return
    }
    arrivals += 1
    if case .read = ticket.work {
      reads.append(ticket, arrivals)
    } else {
      transactions.append(ticket, arrivals)
    }
    let needsSweeper = !isSwept
    isSwept = true
    condition.signal()
    condition.unlock()
    if needsSweeper { sweep(after: ticket.deadline) }
  }

  /// Blocks the calling thread until there is work, and returns nil once the queue is closed and empty.
  ///
  /// - Parameter generation: that of the thread's connection, nil without one.
  func next(holding generation: UInt64?) -> Batch? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let generation, generation != currentGeneration { return .outdated }
      if reads.head == nil, transactions.head == nil {
        if isClosed { return nil }
        condition.wait()
      } else if (transactions.head ?? .max) < (reads.head ?? .max) {
        if let ticket = transactions.removeFirst() { return .transaction(ticket) }
      } else {
        var batch: [Ticket] = []
        while batch.count < Self.drain, let ticket = reads.removeFirst() {
          if !ticket.isSettled { batch.append(ticket) }
        }
        if !batch.isEmpty { return .reads(batch) }
      }
    }
  }

  /// Refuses new work and settles what waits.
  func close() {
    condition.lock()
    isClosed = true
    let waiting = reads.removeAll() + transactions.removeAll()
    condition.broadcast()
    condition.unlock()
    for ticket in waiting { ticket.settle(PostgresError(.poolClosed)) }
  }

  /// Settles what waits, refuses new work until `resume`, and makes all connections outdated.
  func halt() {
    condition.lock()
    isHalted = true
    currentGeneration += 1
    let waiting = reads.removeAll() + transactions.removeAll()
    condition.broadcast()
    condition.unlock()
    for ticket in waiting { ticket.settle(PostgresError(.identityChanged)) }
  }

  /// Takes work again, on connections opened from now on.
  func resume() {
    condition.withLock {
      isHalted = false
      currentGeneration += 1
      condition.broadcast()
    }
  }

  /// Counts a thread in; it counts itself out by `threadEnded`.
  func threadStarts() {
    condition.withLock { threads += 1 }
  }

  func threadEnded() {
    let ready = condition.withLock {
      threads -= 1
      guard threads == 0 else { return [CheckedContinuation<Void, Never>]() }
      defer { farewells = [] }
      return farewells
    }
    for continuation in ready { continuation.resume() }
  }

  /// Returns when the last thread has ended.
  func untilThreadsEnd() async {
    await withCheckedContinuation { continuation in
      let done = condition.withLock {
        if threads == 0 { return true }
        farewells.append(continuation)
        return false
      }
      if done { continuation.resume() }
    }
  }

  /// One sleeping task at a time ends the wait of tickets whose deadline has come; it goes when nothing waits.
  private func sweep(after first: ContinuousClock.Instant) {
    Task { [weak self] in
      var wake: ContinuousClock.Instant? = first
      while let instant = wake {
        // The task is never cancelled, so the sleep can't throw.
        try? await ContinuousClock().sleep(until: instant, tolerance: .milliseconds(5))
        wake = self?.expire()
      }
    }
  }

  /// Settles what waited too long; returns when to look again.
  private func expire() -> ContinuousClock.Instant? {
    let now = ContinuousClock.now
    var late: [Ticket] = []
    let next = condition.withLock { () -> ContinuousClock.Instant? in
      late += reads.removeExpired(now)
      late += transactions.removeExpired(now)
      let next = [reads.firstDeadline, transactions.firstDeadline].compactMap(\.self).min()
      isSwept = next != nil
      return next
    }
    for ticket in late { ticket.expire(PostgresError(.timeout)) }
    return next
  }
}

/// A queue in an array: a head index, and a compaction when half of it is spent. A ticket that was taken is not kept: its
/// body may hold keys, which are wiped when it goes.
private struct Line {
  private var items: [(ticket: Ticket?, arrival: UInt64)] = []
  private var start = 0

  var head: UInt64? { start < items.count ? items[start].arrival : nil }
  var firstDeadline: ContinuousClock.Instant? { start < items.count ? items[start].ticket?.deadline : nil }

  mutating func append(_ ticket: Ticket, _ arrival: UInt64) {
    items.append((ticket, arrival))
  }

  mutating func removeFirst() -> Ticket? {
    guard start < items.count else { return nil }
    let ticket = items[start].ticket
    items[start].ticket = nil
    start += 1
    if start > 64, start * 2 > items.count {
      items.removeFirst(start)
      start = 0
    }
    return ticket
  }

  mutating func removeAll() -> [Ticket] {
    defer {
      items = []
      start = 0
    }
    return items[start...].compactMap(\.ticket)
  }

  /// Deadlines come in order, because every ticket of a pool waits equally long.
  mutating func removeExpired(_ now: ContinuousClock.Instant) -> [Ticket] {
    var late: [Ticket] = []
    while let deadline = firstDeadline, deadline <= now, let ticket = removeFirst() { late.append(ticket) }
    return late
  }
}
