import Synchronization

/// One piece of work on its way through the pool: waiting, running on a connection, or settled exactly once.
final class Ticket: Sendable {
  enum Work: Sendable {
    /// A statement of the single-shot lane, and where its rows go.
    case read(SQL, [SessionSetting], Slot<[Row]>)
    /// A body of the closure lane; it keeps its own result.
    case transaction(TransactionOptions, @Sendable (Transaction) throws -> Void)
  }

  private struct State {
    var isCancelled = false
    var isSettled = false
    var isRunning = false
    var wake: WakeSignal?
    var outcome: (any Error)??
    var continuation: CheckedContinuation<(any Error)?, Never>?
  }

  let work: Work
  /// When to stop waiting for a connection's thread.
  let deadline: ContinuousClock.Instant
  /// When to stop waiting for a connection to open.
  let connectDeadline: ContinuousClock.Instant
  private let state = Mutex(State())

  init(_ work: Work, deadline: ContinuousClock.Instant, connectDeadline: ContinuousClock.Instant) {
    self.work = work
    self.deadline = deadline
    self.connectDeadline = connectDeadline
  }

  var isCancelled: Bool { state.withLock { $0.isCancelled } }
  var isSettled: Bool { state.withLock { $0.isSettled } }

  /// Waits until the ticket is settled, however that comes; nil is success.
  func outcome() async -> (any Error)? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let known = state.withLock { state -> (any Error)?? in
          if state.isSettled { return state.outcome }
          state.continuation = continuation
          return nil
        }
        if let known { continuation.resume(returning: known) }
      }
    } onCancel: {
      cancel()
    }
  }

  /// Claims the ticket for a connection's thread. False when it was settled while it waited.
  func begin(wake: WakeSignal) -> Bool {
    state.withLock { state in
      guard !state.isSettled else { return false }
      state.isRunning = true
      state.wake = wake
      return true
    }
  }

  /// Ends the ticket; the first call counts.
  func settle(_ failure: (any Error)?) {
    let continuation = state.withLock { state -> CheckedContinuation<(any Error)?, Never>? in
      guard !state.isSettled else { return nil }
      state.isSettled = true
      state.outcome = .some(failure)
      state.wake = nil
      defer { state.continuation = nil }
      return state.continuation
    }
    continuation?.resume(returning: failure)
  }

  /// Ends the wait of work that has not begun; work that has begun is left alone.
  func expire(_ failure: PostgresError) {
    if state.withLock({ !$0.isRunning }) { settle(failure) }
  }

  private func cancel() {
    let (wake, settleNow) = state.withLock { state -> (WakeSignal?, Bool) in
      state.isCancelled = true
      // A read has no effect to wait for; a transaction that runs has to be rolled back before its caller goes on.
      if case .read = work { return (state.wake, true) }
      return (state.wake, !state.isRunning)
    }
    if settleNow { settle(PostgresError(.cancelled)) }
    wake?.raise()
  }
}

/// Carries one result from a connection's thread to the task that waits for it.
final class Slot<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)

  func put(_ new: Value) { value.withLock { $0 = new } }
  func take() -> Value? { value.withLock { $0.take() } }
}

/// How a transaction begins.
struct TransactionOptions: Sendable {
  var settings: [SessionSetting]
  /// A statement that travels with BEGIN, before the body runs.
  var opening: SQL?
  var readOnly: Bool
  var isolation: IsolationLevel
}
