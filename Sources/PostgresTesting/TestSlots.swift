import Synchronization

/// Lets only a few of the tests that start whole services run at once: the machine has few cores, a cluster has so
/// many connections, and a test that waits for its turn measures nothing wrong.
public enum TestSlots {
  private static let gate = Gate(free: 6)

  /// Runs `body` when it is its turn.
  public static func withSlot<Result>(_ body: () async throws -> Result) async throws -> Result {
    await gate.enter()
    do {
      let result = try await body()
      gate.leave()
      return result
    } catch {
      gate.leave()
      throw error
    }
  }

  private final class Gate: Sendable {
    private struct State {
      var free: Int
      var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(free: Int) { state = Mutex(State(free: free)) }

    func enter() async {
      await withCheckedContinuation { continuation in
        let enters = state.withLock { state in
          guard state.free > 0 else {
            state.waiting.append(continuation)
            return false
          }
          state.free -= 1
          return true
        }
        if enters { continuation.resume() }
      }
    }

    func leave() {
      let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
        guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
        state.free += 1
        return nil
      }
      next?.resume()
    }
  }
}
