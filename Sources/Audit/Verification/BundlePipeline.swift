internal import Dispatch
internal import Foundation
internal import Synchronization

/// Checks bundles on several threads, and hands the results out in their order.
///
/// The threads run ahead by a few bundles at most, so that memory stays bounded; nobody waits for the slowest of a
/// round.
struct BundlePipeline {
  let check: BundleCheck
  let workers: Int

  /// Calls `body` with the results of the bundles in `range`, in order, until it answers false.
  func run(_ range: Range<UInt64>, _ body: (BundleResult) -> Bool) {
    guard workers > 1, range.count > 1 else {
      for index in range where !body(check.check(index)) { return }
      return
    }
    let window = BundleWindow(range, slots: 4 * workers)
    let group = DispatchGroup()
    for _ in 0..<workers {
      group.enter()
      let thread = Thread { [check] in
        while let index = window.next() { window.put(check.check(index)) }
        group.leave()
      }
      thread.start()
    }
    for index in range where !body(window.take(index)) { break }
    window.close()
    group.wait()
  }
}

/// The bundles under way: a ring of slots, each filled by one thread and emptied by the consumer.
private final class BundleWindow: Sendable {
  private struct State {
    var next: UInt64
    var closed = false
    var results: [BundleResult?]
  }

  private let start: UInt64
  private let end: UInt64
  private let state: Mutex<State>
  /// How many bundles may still be begun.
  private let free: DispatchSemaphore
  /// For each slot, whether its result is there.
  private let ready: [DispatchSemaphore]

  init(_ range: Range<UInt64>, slots: Int) {
    start = range.lowerBound
    end = range.upperBound
    state = Mutex(State(next: range.lowerBound, results: Array(repeating: nil, count: slots)))
    // Counted up from nothing: a semaphore must not be given up below the value it was made with.
    free = DispatchSemaphore(value: 0)
    for _ in 0..<slots { free.signal() }
    ready = (0..<slots).map { _ in DispatchSemaphore(value: 0) }
  }

  /// The next bundle to check, once a slot is free for it; `nil` when there is none.
  func next() -> UInt64? {
    free.wait()
    return state.withLock { state in
      guard !state.closed, state.next < end else {
        // Whoever else waits has nothing to do either.
        free.signal()
        return nil
      }
      defer { state.next += 1 }
      return state.next
    }
  }

  func put(_ result: BundleResult) {
    let place = slot(of: result.index)
    state.withLock { $0.results[place] = result }
    ready[place].signal()
  }

  /// The result for `index`, which must be the one after that of the call before.
  func take(_ index: UInt64) -> BundleResult {
    let place = slot(of: index)
    ready[place].wait()
    let result = state.withLock { state in state.results[place].take() }
    free.signal()
    guard let result else { preconditionFailure("a slot is filled before it is announced") }
    return result
  }

  /// Lets all threads end.
  func close() {
    state.withLock { $0.closed = true }
    free.signal()
  }

  private func slot(of index: UInt64) -> Int { Int((index - start) % UInt64(ready.count)) }
}
