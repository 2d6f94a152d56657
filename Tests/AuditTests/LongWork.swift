import Dispatch
import Testing

/// Runs a task's jobs on one queue, so that work which computes for seconds, or waits for a program, holds up no thread
/// that other tests share.
final class LongWork: TaskExecutor {
  static let queue = LongWork()
  private let jobs = DispatchQueue(label: "long work")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.async { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
  }
}

/// A suite's tests run there, one at a time.
struct LongWorkTrait: SuiteTrait, TestTrait, TestScoping {
  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await withTaskExecutorPreference(LongWork.queue) { try await function() }
  }
}

extension Trait where Self == LongWorkTrait {
  static var longWork: Self { LongWorkTrait() }
}
