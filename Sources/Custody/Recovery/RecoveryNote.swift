import Foundation

/// What a recovery has done so far, in a file of the archive, so that one that was interrupted is still told of in the
/// log by the next one: `<archive>/recovery`, a line for each tenant, gone when the recovery has come to its end.
struct RecoveryNote: Sendable {
  private let path: String
  private static let heading = "recovery/v1"

  init(archive: String) { path = archive + "/recovery" }

  /// The reports of an interrupted run; nil when none was. A line that can't be read counts nothing.
  func load() -> [TenantID: RecoveryReport]? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    var reports: [TenantID: RecoveryReport] = [:]
    for line in text.split(separator: "\n").dropFirst() {
      let words = line.split(separator: " ")
      let numbers = words.dropFirst().compactMap { Int64($0) }
      guard words.count == 8, numbers.count == 7, let id = UUID(uuidString: String(words[0])) else { continue }
      var report = RecoveryReport(TenantID(id))
      report.tenantRestored = numbers[0] == 1
      report.imported = numbers[1]
      report.ledgerLines = Int(numbers[2])
      report.tombstoned = Int(numbers[3])
      report.keysDestroyed = Int(numbers[4])
      report.requestsSettled = Int(numbers[5])
      report.tagsRebuilt = Int(numbers[6])
      reports[report.tenant] = report
    }
    return reports
  }

  /// Puts the reports in place of what was there, in one step.
  func save(_ reports: [RecoveryReport]) throws {
    let lines = reports.map { report in
      let numbers: [Int64] = [
        report.tenantRestored ? 1 : 0, report.imported, Int64(report.ledgerLines), Int64(report.tombstoned),
        Int64(report.keysDestroyed), Int64(report.requestsSettled), Int64(report.tagsRebuilt),
      ]
      return ([report.tenant.description] + numbers.map(String.init)).joined(separator: " ")
    }
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data((([Self.heading] + lines).joined(separator: "\n") + "\n").utf8)
      .write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// The recovery has come to its end.
  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
