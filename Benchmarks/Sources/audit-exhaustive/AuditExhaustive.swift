import ArgumentParser
import Foundation
import Synchronization

/// Flips every bit of an archive, one at a time, and verifies the whole archive each time.
@main
struct AuditExhaustive: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit-exhaustive", abstract: "Every flipped bit of an audit archive must be a finding.")

  @Option(help: "How many entries the log has; at least 20.")
  var entries = 1_000
  @Option(help: "Flip only so many bits, chosen at random, instead of all.")
  var sample: Int?
  @Option(help: "How many copies of the archive are worked on at once.")
  var workers = 2

  func validate() throws {
    guard entries >= 20, workers > 0, sample ?? 1 > 0 else { throw ValidationError("numbers that are too small") }
  }

  func run() throws {
    let archive = try FlipArchive(entries: entries)
    var flips = archive.flips()
    let bytes = archive.files.reduce(0) { $0 + $1.bytes.count }
    print("\(entries) entries, \(archive.files.count) files, \(bytes) bytes, \(flips.count) bits that mean something")
    if let sample { flips = (0..<sample).compactMap { _ in flips.randomElement() } }

    let tally = Tally(total: flips.count)
    let all = flips
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      do {
        let copy = try FlippedCopy(archive)
        guard copy.verify().isValid else { return tally.fail("the unchanged archive is refused") }
        for index in stride(from: worker, to: all.count, by: workers) {
          let flip = all[index]
          let report = try copy.verify(flip)
          tally.add(
            report.findings.first?.check,
            missed: "bit \(flip.bit) of byte \(flip.position) of \(archive.files[Int(flip.file)].name)")
        }
        guard copy.verify().isValid else { return tally.fail("the archive was not put back as it was") }
      } catch { tally.fail("\(error)") }
    }
    try tally.finish()
  }
}

/// What was found so far, by all workers.
final class Tally: Sendable {
  private struct State {
    var done = 0
    var checks: [String: Int] = [:]
    var missed: [String] = []
    var failures: [String] = []
    var spoke = ContinuousClock.now
  }

  private let state = Mutex(State())
  private let total: Int
  private let began = ContinuousClock.now

  init(total: Int) { self.total = total }

  /// Counts a flip by the first check that told of it; `nil` when none did.
  func add(_ check: String?, missed: @autoclosure () -> String) {
    state.withLock { state in
      state.done += 1
      if let check { state.checks[check, default: 0] += 1 } else { state.missed.append(missed()) }
      let now = ContinuousClock.now
      guard now - state.spoke >= .seconds(10) || state.done == total else { return }
      state.spoke = now
      let spent = (now - began) / .seconds(1)
      let left = spent / Double(state.done) * Double(total - state.done)
      print(
        "\(state.done)/\(total) flips, \(state.missed.count) missed, \(Int(spent)) s spent, about \(Int(left)) s to go")
      fflush(nil)
    }
  }

  func fail(_ reason: String) { state.withLock { $0.failures.append(reason) } }

  /// Prints the summary.
  ///
  /// - Throws: the exit status 2 when a flip went unnoticed or the run itself failed.
  func finish() throws {
    let state = state.withLock { $0 }
    for (check, count) in state.checks.sorted(by: { $0.value > $1.value }) {
      print("  first found as \(check): \(count)")
    }
    for line in state.failures + state.missed.prefix(100).map({ "not detected: " + $0 }) { print(line) }
    print("\(state.done - state.missed.count) of \(total) flips detected")
    guard state.missed.isEmpty, state.failures.isEmpty, state.done == total else { throw ExitCode(2) }
  }
}
