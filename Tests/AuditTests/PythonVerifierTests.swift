import Foundation
import Signing
import Testing

@testable import Audit

@Suite(
  "Two verifiers that share no code", .longWork,
  .enabled(if: PythonVerifier.isAvailable, "python3 or openssl is missing"))
struct PythonVerifierTests {
  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  private mutating func publish(upTo count: Int) throws {
    let published = Int(try log.writer.lastCheckpoint()?.size ?? 0)
    while log.entries.count < count {
      try log.append(body: Array("b".utf8), time: TestLog.time(log.entries.count))
    }
    try log.writer.publish(Array(log.entries[published...]))
  }

  @Test("both accept logs of every awkward size, grown in random steps and sealed on the way")
  mutating func sizes() async throws {
    var steps: [Int] = []
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513, 1_000, 65_535, 65_536, 65_537] {
      while let last = steps.last, last < size, Int.random(in: 0..<3) > 0 {
        let step = Int.random(in: last...size)
        try publish(upTo: step)
        steps.append(step)
      }
      try publish(upTo: size)
      steps.append(size)
      if size == 257 || size == 65_536 { try log.writer.seal(now: SampleArchive.midnight) }
      let ours = try log.verify(workers: 2)
      #expect(ours.findings.isEmpty, "\(steps): \(ours.findings)")
      #expect(ours.size == UInt64(size))
      let theirs = try await PythonVerifier.verify(log.folder, keys: log.keys)
      #expect(theirs.findings.isEmpty, "\(steps): \(theirs.findings)")
      #expect(theirs.size == UInt64(size))
      #expect(theirs.origin == ours.origin)
    }
    let manifests = try FileManager.default.contentsOfDirectory(atPath: log.folder + "/segments")
    #expect(manifests.count == 2)
  }

  @Test("either key of a log is enough, and both count the same erasures", arguments: [20, 1_000])
  func sample(count: Int) async throws {
    let archive = try SampleArchive(count: count)
    let folder = archive.root + "/" + SampleArchive.tenant
    let ours = archive.verifier(of: archive.root).verify()
    #expect(ours.findings.isEmpty)
    let keys = try ArchiveVerifier.keys(beside: folder)
    #expect(keys.count == 2)
    for key in keys {
      let theirs = try await PythonVerifier.verify(folder, keys: [key], ledger: archive.root + "/erasures/ledger")
      #expect(theirs.checks == [])
      #expect(theirs.erasures == 1)
      #expect(ours.erasures == 1)
    }
    let foreign = try SignedNoteTests.signer().verifierKey()
    #expect(try await PythonVerifier.verify(folder, keys: [foreign]).checks == ["signature"])
  }

  @Test("two thousand random bits of a 300-entry archive are detected by the second verifier as well")
  func flips() async throws {
    let archive = try SampleArchive(count: 300)
    let seed = String(Int.random(in: 0..<1_000_000))
    let (status, output) = try await PythonVerifier.run([
      "python3", "-c", Self.flipper, (PythonVerifier.script as NSString).deletingLastPathComponent, archive.root,
      SampleArchive.tenant, archive.key.text, "2000", seed,
    ])
    #expect(String(decoding: output, as: UTF8.self) == "2000 of 2000 detected\n", "seed \(seed)")
    #expect(status == 0)
  }

  /// Flips one bit at a time, half of them anywhere and half of them in any file, in one process: the module is loaded
  /// once, and signatures that were verified before are remembered.
  private static let flipper = """
    import os, random, sys
    tools, root, tenant, key, count, seed = sys.argv[1:]
    sys.path.insert(0, tools)
    sys.dont_write_bytecode = True
    import verify_log
    ledger, folder, keys = root + "/erasures/ledger", root + "/" + tenant, [verify_log.parse_key(key)]
    files = sorted(os.path.join(at, name) for at, _, names in os.walk(root) for name in names)
    sizes, chance, done, found = [os.path.getsize(file) for file in files], random.Random(int(seed)), 0, 0
    for file in files:
        os.chmod(file, 0o644)
    while done < int(count):
        file = chance.choices(files, sizes if chance.random() < 0.5 else None)[0]
        at, bit = chance.randrange(os.path.getsize(file)), 1 << chance.randrange(8)
        with open(file, "r+b", buffering=0) as handle:
            before = handle.read()
            flipped = before[:at] + bytes([before[at] ^ bit]) + before[at + 1:]
            if file == ledger and verify_log.ERASED.fullmatch(flipped) and at > flipped.rindex(b" "):
                continue  # Another time in the ledger, which nothing signs.
            os.pwrite(handle.fileno(), flipped[at:at + 1], at)
            findings = verify_log.Log(folder, keys, ledger=ledger).verify().findings
            os.pwrite(handle.fileno(), before[at:at + 1], at)
        done += 1
        found += bool(findings)
        if not findings:
            print("not detected: bit", bit, "of byte", at, "of", file)
    whole = not verify_log.Log(folder, keys, ledger=ledger).verify().findings
    print(found if whole else "the unchanged archive is refused:", "of", done, "detected")
    """
}
