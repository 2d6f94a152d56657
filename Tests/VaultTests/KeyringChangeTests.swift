import Foundation
import Testing

@testable import Vault

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite("Changes of a keyring")
struct KeyringChangeTests {
  private let folder: TemporaryFolder
  private let path: String
  private let owner = KeyOwner(kind: .subject, tenant: UUID(), id: UUID())

  init() throws {
    folder = try TemporaryFolder()
    path = folder.path("keyring")
  }

  private func epoch(_ number: Int32) -> EpochNumber { EpochNumber(rawValue: number) }

  private func bytes() throws -> [UInt8] { try Array(#require(FileManager.default.contents(atPath: path))) }

  private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }

  private func write(_ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: path))
    try #require(chmod(path, 0o600) == 0)
  }

  // MARK: A rotation

  @Test("a new epoch is active at once and on the disk; the one before retires and still unwraps")
  func activate() throws {
    let keyring = try FileKeyring.create(at: path)
    let (key, wrapped) = try keyring.newKey(for: owner)
    let before = Int64(Date().timeIntervalSince1970)
    try keyring.activate(epoch(2))
    #expect(keyring.activeEpoch == epoch(2))
    #expect(keyring.epochs.map(\.number.rawValue) == [1, 2])
    #expect(keyring.epochs.map(\.state) == [.retiring, .active])
    #expect(keyring.epochs[1].createdAt >= before && keyring.epochs[1].createdAt <= before + 60)
    #expect(try keyring.unwrap(wrapped, for: owner).commitment == key.commitment)
    #expect(try keyring.newKey(for: owner).wrapped.epoch == epoch(2))
    let opened = try FileKeyring.open(at: path)
    #expect(opened.epochs == keyring.epochs)
    #expect(opened.installation == keyring.installation)
    let moved = try opened.rewrap(wrapped, for: owner)
    #expect(moved.epoch == epoch(2))
    #expect(try keyring.unwrap(moved, for: owner).commitment == key.commitment)
    #expect(try names() == ["keyring"])
  }

  @Test("a destroyed epoch unwraps nothing, here and in the file, and its bytes are overwritten where they were")
  func destroy() throws {
    let keyring = try FileKeyring.create(at: path)
    let wrapped = try keyring.newKey(for: owner).wrapped
    try keyring.activate(epoch(2))
    let moved = try keyring.rewrap(wrapped, for: owner)
    let old = try #require(FileHandle(forReadingAtPath: path))
    let content = try bytes()
    try keyring.destroy(epoch(1))
    #expect(try old.readToEnd() == Data(count: 168))
    #expect(keyring.epochs.map(\.number.rawValue) == [2])
    #expect(keyring.epochs.map(\.state) == [.active])
    #expect(throws: VaultError(.unknownEpoch)) { try keyring.unwrap(wrapped, for: owner) }
    #expect(throws: VaultError(.unknownEpoch)) { try keyring.rewrap(wrapped, for: owner) }
    let opened = try FileKeyring.open(at: path)
    #expect(opened.epochs == keyring.epochs)
    #expect(try opened.unwrap(moved, for: owner).commitment == wrapped.commitment)
    // The retiring key is at 56, the active one at 104.
    let left = try bytes()
    #expect(left.count == 120)
    #expect(left.firstRange(of: content[56..<88]) == nil)
    #expect(left.firstRange(of: content[104..<136]) != nil)
    #expect(try names() == ["keyring"])
  }

  @Test("ten rotations lose no key that was wrapped again")
  func tenRotations() throws {
    let keyring = try FileKeyring.create(at: path)
    var (key, wrapped) = try keyring.newKey(for: owner)
    let envelope = try key.seal([1, 2, 3], at: .vector)
    for number in 1...10 as ClosedRange<Int32> {
      try keyring.activate(epoch(number + 1))
      wrapped = try keyring.rewrap(wrapped, for: owner)
      try keyring.destroy(epoch(number))
      key = try FileKeyring.open(at: path).unwrap(wrapped, for: owner)
      #expect(try key.open(envelope, at: .vector) == [1, 2, 3])
    }
    #expect(keyring.epochs.map(\.number.rawValue) == [11])
  }

  @Test("repeating a step does nothing, and keeps the key")
  func idempotence() throws {
    let keyring = try FileKeyring.create(at: path)
    try keyring.activate(epoch(1))
    try keyring.activate(epoch(2))
    let wrapped = try keyring.newKey(for: owner).wrapped
    let file = try bytes()
    try keyring.activate(epoch(2))
    #expect(try bytes() == file)
    try keyring.destroy(epoch(1))
    let after = try bytes()
    try keyring.destroy(epoch(1))
    try keyring.destroy(epoch(9))
    #expect(try bytes() == after)
    #expect(try keyring.unwrap(wrapped, for: owner).commitment == wrapped.commitment)
  }

  @Test("epochs follow one by one, and none while another retires")
  func order() throws {
    let keyring = try FileKeyring.create(at: path)
    for number in [-1, 0, 3, Int32.max] {
      #expect(throws: VaultError(.epochOrder, path: path)) { try keyring.activate(epoch(number)) }
    }
    try keyring.activate(epoch(2))
    for number in [1, 3] as [Int32] {
      #expect(throws: VaultError(.epochOrder, path: path)) { try keyring.activate(epoch(number)) }
    }
    #expect(throws: VaultError(.epochActive, path: path)) { try keyring.destroy(epoch(2)) }
    #expect(keyring.epochs.map(\.number.rawValue) == [1, 2])
    #expect(try FileKeyring.open(at: path).epochs == keyring.epochs)
  }

  @Test("the last number that can be is the last epoch")
  func lastNumber() throws {
    let keys = [try EpochKey(.max, root: Vectors.all.inputs.epochRoot.bytes)]
    let contents = KeyringContents(installation: UUID(), keys: keys)
    try KeyringFile(path: path).create(contents.encoded())
    let keyring = try FileKeyring.open(at: path)
    #expect(throws: VaultError(.epochOrder, path: path)) { try keyring.activate(epoch(.min)) }
    #expect(keyring.activeEpoch == epoch(.max))
  }

  @Test("the file keeps its owner and stays closed to others")
  func ownerStays() throws {
    let keyring = try FileKeyring.create(at: path)
    let user = geteuid() == 0 ? 4321 : geteuid()
    let group = geteuid() == 0 ? 8765 : getegid()
    #expect(chown(path, user, group) == 0)
    try keyring.activate(epoch(2))
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_uid == user)
    #expect(status.st_gid == group)
    #expect(status.st_mode & 0o7777 == 0o600)
  }

  // MARK: Several processes

  @Test("what one holder changes another sees after it reads again, and not before")
  func refresh() throws {
    let one = try FileKeyring.create(at: path)
    let two = try FileKeyring.open(at: path)
    #expect(try !two.refresh())
    try one.activate(epoch(2))
    let wrapped = try one.newKey(for: owner).wrapped
    #expect(two.activeEpoch == epoch(1))
    #expect(throws: VaultError(.unknownEpoch)) { try two.unwrap(wrapped, for: owner) }
    #expect(try two.refresh())
    #expect(two.epochs == one.epochs)
    #expect(try two.unwrap(wrapped, for: owner).commitment == wrapped.commitment)
    #expect(try !two.refresh())
    try one.destroy(epoch(1))
    #expect(two.epochs.count == 2)
    #expect(try two.refresh())
    #expect(two.epochs == one.epochs)
  }

  @Test("a step that another holder took is not taken twice")
  func sameStep() throws {
    let one = try FileKeyring.create(at: path)
    let two = try FileKeyring.open(at: path)
    try one.activate(epoch(2))
    let wrapped = try one.newKey(for: owner).wrapped
    try two.activate(epoch(2))
    #expect(try two.unwrap(wrapped, for: owner).commitment == wrapped.commitment)
    try two.destroy(epoch(1))
    try one.destroy(epoch(1))
    #expect(one.epochs == two.epochs)
    #expect(one.epochs.map(\.number.rawValue) == [2])
  }

  @Test("of many holders that take the same steps at once, each step is taken once")
  func race() async throws {
    let path = path
    let owner = owner
    let first = try FileKeyring.create(at: path)
    let wrapped = try first.newKey(for: owner).wrapped
    let holders = try (0..<4).map { _ in try FileKeyring.open(at: path) }
    for number in 1...5 as ClosedRange<Int32> {
      try await withThrowingTaskGroup { group in
        for holder in holders {
          group.addTask {
            try holder.activate(EpochNumber(rawValue: number + 1))
            _ = try holder.refresh()
          }
        }
        try await group.waitForAll()
      }
      let active = try holders.map { try $0.newKey(for: owner).wrapped }
      for holder in holders {
        for key in active { #expect(try holder.unwrap(key, for: owner).commitment == key.commitment) }
      }
      try await withThrowingTaskGroup { group in
        for holder in holders { group.addTask { try holder.destroy(EpochNumber(rawValue: number)) } }
        try await group.waitForAll()
      }
    }
    #expect(throws: VaultError(.unknownEpoch)) { try holders[0].unwrap(wrapped, for: owner) }
    #expect(holders.allSatisfy { $0.epochs.map(\.number.rawValue) == [6] })
    #expect(try names() == ["keyring"])
  }

  @Test("processes that rotate at once and read at once leave one whole keyring")
  func processes() async throws {
    _ = try FileKeyring.create(at: path)
    let path = path
    async let one: Void = Self.rotateInAnotherProcess(path)
    async let two: Void = Self.rotateInAnotherProcess(path)
    _ = await (one, two)
    let keyring = try FileKeyring.open(at: path)
    #expect(keyring.activeEpoch > EpochNumber(rawValue: 20))
    #expect(try names() == ["keyring"])
  }

  private static func rotateInAnotherProcess(_ path: String) async {
    await #expect(processExitsWith: .success) { [path = path as String] in
      let keyring = try FileKeyring.open(at: path)
      for _ in 0..<40 {
        _ = try keyring.refresh()
        let active = keyring.activeEpoch
        do {
          try keyring.activate(EpochNumber(rawValue: active.rawValue + 1))
        } catch let error as VaultError where error.code == .epochOrder {
          // Another process is further, or has not destroyed its last one yet.
        }
        for epoch in keyring.epochs where epoch.state == .retiring {
          do {
            try keyring.destroy(epoch.number)
          } catch let error as VaultError where error.code == .epochActive {
            #expect(Bool(false), "a retiring epoch became active")
          }
        }
      }
    }
  }

  // MARK: Faults

  @Test("a keyring that is gone, broken or open to others is not read again; what was held stays")
  func refreshRefuses() throws {
    let keyring = try FileKeyring.create(at: path)
    let wrapped = try keyring.newKey(for: owner).wrapped
    let good = try bytes()
    func refused(_ error: VaultError) throws {
      #expect(throws: error) { try keyring.refresh() }
      #expect(throws: error) { try keyring.activate(epoch(2)) }
      #expect(throws: error) { try keyring.destroy(epoch(1)) }
      #expect(keyring.epochs.map(\.number.rawValue) == [1])
      #expect(try keyring.unwrap(wrapped, for: owner).commitment == wrapped.commitment)
    }
    try FileManager.default.removeItem(atPath: path)
    try refused(VaultError(.keyringMissing, path: path))
    try write([])
    try refused(VaultError(.keyringForeign, path: path))
    try write(good.dropLast())
    try refused(VaultError(.keyringMalformed, path: path, fault: .length))
    try write(good)
    #expect(chmod(path, 0o644) == 0)
    try refused(VaultError(.keyringPermissions, path: path))
    try FileManager.default.removeItem(atPath: path)
    _ = try FileKeyring.create(at: path)
    try refused(VaultError(.keyringOther, path: path))
    try write(good)
    #expect(try !keyring.refresh())
    try keyring.activate(epoch(2))
  }

  @Test("a keyring of the same installation with another key is another keyring")
  func otherKey() throws {
    let inputs = Vectors.all.inputs
    try write(Vectors.all.keyrings[0].file.bytes)
    let keyring = try FileKeyring.open(at: path)
    let keys = [try EpochKey(inputs.epoch, root: inputs.retiringRoot.bytes)]
    let encoded = try KeyringContents(installation: inputs.installation, keys: keys).encoded()
    try write(encoded.withUnsafeBytes { Array($0) })
    #expect(throws: VaultError(.keyringOther, path: path)) { try keyring.refresh() }
  }

  @Test("an older copy in the keyring's place is refused: a destroyed epoch does not come back")
  func older() throws {
    let keyring = try FileKeyring.create(at: path)
    let first = try bytes()
    try keyring.activate(epoch(2))
    let second = try bytes()
    #expect(throws: VaultError(.keyringOlder, path: path)) {
      try write(first)
      return try keyring.refresh()
    }
    try write(second)
    try keyring.destroy(epoch(1))
    for copy in [first, second] {
      try write(copy)
      #expect(throws: VaultError(.keyringOlder, path: path)) { try keyring.refresh() }
      #expect(throws: VaultError(.keyringOlder, path: path)) { try keyring.activate(epoch(3)) }
      #expect(keyring.epochs.map(\.number.rawValue) == [2])
    }
  }

  @Test("when the disk is full the change fails, the keyring stays whole, and works again when there is room")
  func fullDisk() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let path = folder.path("keyring")
      let keyring = try FileKeyring.create(at: path)
      let owner = KeyOwner(kind: .subject, tenant: UUID(), id: UUID())
      let before = FileManager.default.contents(atPath: path)
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit()
      let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
      getrlimit(resource, &limit)
      var small = limit
      for room in [0, 1, 119, 130, 167] as [rlim_t] {
        small.rlim_cur = room
        setrlimit(resource, &small)
        var thrown: VaultError?
        do throws(VaultError) { try keyring.activate(EpochNumber(rawValue: 2)) } catch { thrown = error }
        setrlimit(resource, &limit)
        #expect(thrown == VaultError(.keyringIO, path: path, systemError: EFBIG))
        #expect(FileManager.default.contents(atPath: path) == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["keyring"])
        #expect(keyring.activeEpoch == EpochNumber(rawValue: 1))
        #expect(try keyring.newKey(for: owner).wrapped.epoch == EpochNumber(rawValue: 1))
      }
      try keyring.activate(EpochNumber(rawValue: 2))
      small.rlim_cur = 100
      setrlimit(resource, &small)
      var thrown: VaultError?
      do throws(VaultError) { try keyring.destroy(EpochNumber(rawValue: 1)) } catch { thrown = error }
      setrlimit(resource, &limit)
      #expect(thrown == VaultError(.keyringIO, path: path, systemError: EFBIG))
      #expect(keyring.epochs.count == 2)
      try keyring.destroy(EpochNumber(rawValue: 1))
      #expect(try FileKeyring.open(at: path).epochs.map(\.number.rawValue) == [2])
    }
  }

  @Test("a process without a file to spare fails in the same way")
  func noFiles() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let path = folder.path("keyring")
      let keyring = try FileKeyring.create(at: path)
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      var none = limit
      none.rlim_cur = 0
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
      var thrown: [VaultError] = []
      do throws(VaultError) { try keyring.activate(EpochNumber(rawValue: 2)) } catch { thrown.append(error) }
      do throws(VaultError) { _ = try keyring.refresh() } catch { thrown.append(error) }
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let expected = VaultError(.keyringIO, path: path, systemError: EMFILE)
      #expect(thrown == [expected, expected])
      try keyring.activate(EpochNumber(rawValue: 2))
    }
  }

  // MARK: Crashes

  @Test("what a crash left over is overwritten and removed by the next change; what is no left-over stays")
  func leftovers() throws {
    let keyring = try FileKeyring.create(at: path)
    let leftover = folder.path(".keyring.\(UUID().uuidString).new")
    try Data([UInt8](repeating: 7, count: 168)).write(to: URL(filePath: leftover))
    let foreign = [".keyring.notes.new", ".other.\(UUID().uuidString).new", "keyring.\(UUID().uuidString).new"]
    for name in foreign { try Data([7]).write(to: URL(filePath: folder.path(name))) }
    let handle = try #require(FileHandle(forReadingAtPath: leftover))
    try keyring.activate(epoch(2))
    #expect(try handle.readToEnd() == Data(count: 168))
    #expect(try names() == (foreign + ["keyring"]).sorted())
    for name in foreign { #expect(FileManager.default.contents(atPath: folder.path(name)) == Data([7])) }
  }

  @Test("a second name of the keyring in use is removed without harm to it", arguments: [true, false])
  func secondName(_ isChange: Bool) throws {
    let keyring = try FileKeyring.create(at: path)
    #expect(link(path, folder.path(".keyring.\(UUID().uuidString).new")) == 0)
    let handle = try #require(FileHandle(forReadingAtPath: path))
    let content = try Data(bytes())
    if isChange { try keyring.activate(epoch(2)) } else { try keyring.destroy(epoch(5)) }
    #expect(try names() == ["keyring"])
    #expect(try handle.readToEnd() == content)
    #expect(try FileKeyring.open(at: path).epochs == keyring.epochs)
  }

  @Test("a left-over that is a link or a folder does no harm")
  func oddLeftovers() throws {
    let keyring = try FileKeyring.create(at: path)
    let victim = folder.path("victim")
    try Data([7]).write(to: URL(filePath: victim))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path(".keyring.\(UUID().uuidString).new"), withDestinationPath: victim)
    let odd = ".keyring.\(UUID().uuidString).new"
    try FileManager.default.createDirectory(atPath: folder.path(odd), withIntermediateDirectories: false)
    try keyring.activate(epoch(2))
    #expect(FileManager.default.contents(atPath: victim) == Data([7]))
    #expect(try names() == [odd, "keyring", "victim"])
  }

  @Test("a process killed while it rotates leaves a whole keyring, and the next one goes on", arguments: 0..<6)
  func killed(_ round: Int) async throws {
    let first = try FileKeyring.create(at: path)
    let wrapped = try first.newKey(for: owner).wrapped
    let path = path
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, round = round as Int] in
      let keyring = try FileKeyring.open(at: path)
      let microseconds = Int.random(in: 0..<4000) + round * 1000
      let thread = Thread {
        usleep(UInt32(microseconds))
        kill(getpid(), SIGKILL)
      }
      thread.start()
      while true {
        try keyring.activate(EpochNumber(rawValue: keyring.activeEpoch.rawValue + 1))
        if let retiring = keyring.epochs.first, retiring.state == .retiring { try keyring.destroy(retiring.number) }
      }
    }
    let keyring = try FileKeyring.open(at: path)
    if keyring.epochs.first?.number == epoch(1) {
      #expect(try keyring.unwrap(wrapped, for: owner).commitment == wrapped.commitment)
    } else {
      #expect(throws: VaultError(.unknownEpoch)) { try keyring.unwrap(wrapped, for: owner) }
    }
    if let retiring = keyring.epochs.first, retiring.state == .retiring { try keyring.destroy(retiring.number) }
    try keyring.activate(epoch(keyring.activeEpoch.rawValue + 1))
    #expect(try names() == ["keyring"])
  }
}
