import Foundation

/// Work waiting for a connection, first come, first served; reads are handed out many at a time.
///
/// `@unchecked Sendable`: every stored variable is read and written with `condition` locked.
final class WorkQueue: @unchecked Sendable {
  enum Batch {
    case reads([Ticket])
    case transaction(Ticket)
  }

  /// How many reads one connection takes at once.
  static let drain = 32

  private let condition = NSCondition()
  private var reads = Line()
  private var transactions = Line()
  private var arrivals: UInt64 = 0
  private var isClosed = false
  private var isSwept = false
  private var threads = 0
  private var farewells: [CheckedContinuation<Void, Never>] = []

  /// Adds work, or settles it at once when the queue is closed.
  func add(_ ticket: Ticket) {
    condition.lock()
    if isClosed {
      condition.unlock()
      ticket.settle(PostgresError(.poolClosed))
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
  func next() -> Batch? {
    condition.lock()
    defer { condition.unlock() }
    while true {
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

/// A queue in an array: a head index, and a compaction when half of it is spent.
private struct Line {
  private var items: [(ticket: Ticket, arrival: UInt64)] = []
  private var start = 0

  var head: UInt64? { start < items.count ? items[start].arrival : nil }
  var firstDeadline: ContinuousClock.Instant? { start < items.count ? items[start].ticket.deadline : nil }

  mutating func append(_ ticket: Ticket, _ arrival: UInt64) {
    items.append((ticket, arrival))
  }

  mutating func removeFirst() -> Ticket? {
    guard start < items.count else { return nil }
    let ticket = items[start].ticket
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
    return items[start...].map(\.ticket)
  }

  /// Deadlines come in order, because every ticket of a pool waits equally long.
  mutating func removeExpired(_ now: ContinuousClock.Instant) -> [Ticket] {
    var late: [Ticket] = []
    while let deadline = firstDeadline, deadline <= now, let ticket = removeFirst() { late.append(ticket) }
    return late
  }
}
