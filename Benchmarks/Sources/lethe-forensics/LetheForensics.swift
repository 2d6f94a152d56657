import ArgumentParser
import Foundation
import Logging

/// `lethe-forensics`.
@main
struct LetheForensics: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lethe-forensics",
    abstract: "Erases somebody, rotates the epochs, and looks for the key in every file that is left.",
    discussion: """
      Makes an installation with a cluster for each database, erases one of its people, rotates, and tries every 32
      bytes of every file (clusters with their write-ahead logs, backups, archive, keyring) as a key of what was
      recorded of that person. Ends with 1 when anything opens, or when a control is not found.
      """)

  @Option(help: "Where the installation goes; a folder of its own in the temporary folder without one.")
  var folder: String?
  @Flag(help: "Keep the installation's files.") var keep = false
  @Option(help: "How many people there are besides those that are looked for.") var people = 20

  func run() async throws {
    let parent = folder ?? NSTemporaryDirectory()
    let place = (parent.hasSuffix("/") ? parent : parent + "/") + "lethe-forensics-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(
      atPath: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o711])
    defer { if !keep { try? FileManager.default.removeItem(atPath: place) } }
    var logger = Logger(label: "lethe-forensics") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .error

    let verdict = try await examine(place, logger)
    print("\n" + verdict.lines.joined(separator: "\n"))
    if !verdict.isGood { throw ExitCode.failure }
  }

  private func examine(_ place: String, _ logger: Logger) async throws -> Verdict {
    say("making an installation in \(place)")
    let installation = try await ForensicInstallation.make(place + "/installation", logger: logger)
    let evidence = try Evidence()
    var verdict = Verdict()
    do {
      let story = try await Story.begin(installation, logger: logger)
      do {
        try await tell(story, evidence, &verdict, aside: place)
      } catch {
        await story.server.close()
        throw error
      }
      await story.server.close()
      for cluster in [installation.data, installation.vault] { try await cluster.sql("CHECKPOINT") }
    } catch {
      await installation.stop()
      throw error
    }
    await installation.stop()

    let files =
      try SweptFile.all(of: installation) + DumpText.unpack(installation.backups, into: place + "/unpacked-after")
      + [SweptFile(place + "/planted", .planted)]
    let tallies = try await Sweep(evidence: evidence).run(files, "after the rotation")
    print("After the erasure and the rotation:\n\n" + Verdict.table(tallies))
    verdict.judge(after: tallies, evidence)
    return verdict
  }

  /// Everything until the clusters stop, with the first sweep on the way.
  private func tell(_ story: Story, _ evidence: Evidence, _ verdict: inout Verdict, aside: String) async throws {
    let installation = story.installation
    let keyring = "\(installation.folder)/\(ForensicInstallation.keyring)"
    say("adding people")
    for _ in 0..<people { _ = try await story.person() }
    let erased = try await story.person()
    let control = try await story.person()
    let planted = try await story.person()
    try await story.makePackage(for: erased)
    let erasure = try await story.openErasure(of: erased)
    try await story.recordEnvelopes(of: erased, as: .erased, into: evidence)
    try await story.recordPackage(of: erased, into: evidence)
    try await story.recordEnvelopes(of: control, as: .control, into: evidence)
    try await story.recordEnvelopes(of: planted, as: .planted, into: evidence)
    try await story.recordKeys(of: erased, as: .erased, into: evidence)
    let bareKey = try await bareKey(of: planted, story, keyring)

    say("rotating, so that the person's key was wrapped under two epochs")
    try await story.rotate()
    try await story.recordKeys(of: erased, as: .erased, into: evidence)
    try await story.backUp()

    say("erasing one person")
    try await story.erase(erasure, erased)
    // What rotation is there to change: until then, backup and keyring together still hold the key.
    let before =
      try SweptFile.below(installation.backups) { _ in .dumps }
      + DumpText.unpack(installation.backups, into: aside + "/unpacked-before") + [SweptFile(keyring, .keyring)]
    let tallies = try await Sweep(evidence: evidence).run(before, "before the rotation")
    print("After the erasure, before the rotation:\n\n" + Verdict.table(tallies) + "\n")
    verdict.judge(before: tallies, evidence)

    say("rotating")
    try await story.rotate()
    try await story.recordKeys(of: control, as: .control, into: evidence)
    try await story.plant(bareKey)
    try await story.backUp()
    // At an odd place between random bytes.
    var bytes = (0..<4_099).map { _ in UInt8.random(in: 0...255) }
    bytes.replaceSubrange(1_237..<1_269, with: bareKey)
    try Data(bytes).write(to: URL(fileURLWithPath: aside + "/planted"))
  }

  /// The bare key of somebody, as a thief with keyring and vault makes it.
  private func bareKey(of person: Story.Person, _ story: Story, _ keyring: String) async throws -> [UInt8] {
    let evidence = try Evidence()
    try await story.recordKeys(of: person, as: .planted, into: evidence)
    return try evidence.unwrap(.planted, withKeyring: keyring)
  }
}
