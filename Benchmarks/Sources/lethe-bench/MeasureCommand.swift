import ArgumentParser
import Foundation

/// `lethe-bench [measure]`.
struct MeasureCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "measure", abstract: "Measures, and prints what it found.",
    discussion: """
      Groups: vault, tokens, audit, log, profiles, erasure, rotation, http, start. It says what is fast, not whether that
      is good: it ends with 0 whatever the ratios are.

      EXAMPLES
        lethe-bench --quick
        lethe-bench --only vault/seal
        lethe-bench --only rotation --subjects 200000
        lethe-bench --json > results.json
      """)

  @Option(help: "Only measurements whose name contains this.") var only: String?
  @Flag(help: "Fewer and shorter rounds.") var quick = false
  @Option(help: "How many people a rotation is measured with; 1,000,000, or 50,000 with --quick.") var subjects: Int?
  @Flag(help: "JSON with every round, instead of tables.") var json = false
  @Option(help: "Where databases go; a folder of its own in the temporary folder without one.") var folder: String?
  @Option(help: "The lethe program that is started.") var lethe = Self.builtLethe

  func run() async throws {
    let parent = folder ?? NSTemporaryDirectory()
    let place = (parent.hasSuffix("/") ? parent : parent + "/") + "lethe-bench-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(
      atPath: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o711])
    defer { try? FileManager.default.removeItem(atPath: place) }
    let harness = Harness(only: only, quick: quick, folder: place)
    let machine = Machine(folder: place)
    machine.lines.forEach(harness.say)

    var findings = Findings()
    findings.append(try await VaultMeasurements(harness: harness).run())
    findings.append(try await TokenMeasurements(harness: harness).run())
    findings.append(try await AuditMeasurements(harness: harness).run())
    findings.append(try await ArchiveMeasurements(harness: harness).run())
    findings.append(try await LogMeasurements(harness: harness).run())
    findings.append(try await ProfileMeasurements(harness: harness).run())
    findings.append(try await ErasureMeasurements(harness: harness).run())
    findings.append(
      try await RotationMeasurements(harness: harness, subjects: subjects ?? (quick ? 50_000 : 1_000_000)).run())
    findings.append(try await HTTPMeasurements(harness: harness).run())
    findings.append(try await StartMeasurements(harness: harness, lethe: lethe).run())
    let report = Report(machine: machine, quick: quick, findings: findings)
    print(json ? try report.json() : report.text)
  }

  /// Where a release build of the root package leaves the program.
  private static var builtLethe: String {
    // This file is Benchmarks/Sources/lethe-bench/MeasureCommand.swift.
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    return root.appendingPathComponent(".build/release/lethe").path
  }
}
