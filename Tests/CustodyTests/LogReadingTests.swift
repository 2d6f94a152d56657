import Audit
import Foundation
import Postgres
import Profiles
import Signing
import Testing

@testable import Custody

@Suite("Reading the log")
struct LogReadingTests {
  /// Somebody created, read alone and in a page, changed, and somebody else erased.
  private func story(_ house: House) async throws -> (live: Profile, erased: Profile, officer: AccessContext) {
    let officer = house.somebody()
    let live = try await house.profile("Live", email: "live@example.org", officer)
    let erased = try await house.profile("Erased")
    _ = try await house.profiles.profile(live.id, officer)
    _ = try await house.profiles.page(ProfileFilter(), after: nil, limit: 10, house.somebody())
    _ = try await house.profiles.profile(erased.id, house.somebody(.selfService))
    _ = try await house.profiles.change(
      live.id, try house.patch(email: "new@example.org"), version: 1, house.somebody())
    let request = try await house.orderedErasure(of: erased)
    let reached = try await house.runner().run(request, tenant: house.tenant)
    #expect(reached == .certified)
    return (live, erased, officer)
  }

  /// Every page of a listing, by pages of `limit`; asserts that the order is that of the log, newest first.
  private func all(_ filter: LogFilter, by limit: Int, _ log: LogReading, _ context: AccessContext) async throws
    -> (sequences: [Int64], pages: Int)
  {
    var sequences: [Int64] = []
    var pages = 0
    var before: Int64?
    repeat {
      let page = try await log.page(filter, before: before, limit: limit, context)
      #expect(page.entries.count <= limit)
      if let next = page.next { #expect(next < before ?? .max) }
      sequences += page.entries.map(\.sequence)
      before = page.next
      pages += 1
    } while before != nil && pages < 10_000
    #expect(sequences == sequences.sorted(by: >))
    return (sequences, pages)
  }

  @Test("a listing is the log itself, newest first, by pages of any size; every entry has its bytes and leaf hash")
  func everything() async throws {
    try await withHouse { house in
      _ = try await story(house)
      let lines = try await house.log()
      for limit in [1, 7, 200] {
        // What the listing adds comes after where it began.
        let first = Int64(lines.count)
        let log = house.reading
        var seen: [LogEntryView] = []
        var before: Int64? = first
        while let position = before {
          let page = try await log.page(LogFilter(), before: position, limit: limit, house.auditor)
          #expect(page.entries.count == min(limit, Int(position)))
          seen += page.entries
          before = page.next
        }
        #expect(seen.map(\.sequence) == Array((0..<first).reversed()))
        for view in seen {
          let line = lines[Int(view.sequence)]
          #expect(view.bytes == line.entry.bytes)
          #expect(view.leafHash == line.entry.leafHash)
          #expect(view.time == line.entry.time)
          #expect(view.record == line.record)
        }
      }
    }
  }

  @Test("each condition, and several together, take exactly what a look at every entry takes")
  func conditions() async throws {
    try await withHouse { house in
      let (live, erased, officer) = try await story(house)
      let lines = try await house.log()
      let end = Int64(lines.count)
      var listed: [Int64: Set<SubjectID>] = [:]
      for line in lines { listed[line.sequence] = Set(try await house.side(of: line.sequence).map(\.subject)) }
      let middle = lines[lines.count / 2].entry.time

      var filters: [LogFilter] = []
      for subject in [live.subject, erased.subject, SubjectID(UUID())] {
        var filter = LogFilter()
        filter.subject = subject
        filters.append(filter)
      }
      var byActor = LogFilter()
      byActor.actor = officer.actor
      var byAction = LogFilter()
      byAction.action = .exactly(.personalDataRead)
      var byFamily = LogFilter()
      byFamily.action = .family("erasure")
      var since = LogFilter()
      since.from = middle
      var until = LogFilter()
      until.until = middle
      var together = LogFilter()
      together.subject = live.subject
      together.actor = officer.actor
      together.action = .family("personal_data")
      together.from = lines[0].entry.time
      together.until = lines[lines.count - 1].entry.time + 1
      filters += [byActor, byAction, byFamily, since, until, together]

      for (number, filter) in filters.enumerated() {
        let expected = lines.filter { line in
          let lists = filter.subject.map { listed[line.sequence]?.contains($0) == true } ?? false
          return filter.matches(line.record, listsSubject: lists) && line.entry.time >= filter.from ?? 0
            && line.entry.time < filter.until ?? .max
        }.map(\.sequence)
        for limit in [2, 100] {
          let (found, _) = try await all(filter, by: limit, house.reading, house.auditor)
          // The listing's own entries are newer than what is compared.
          #expect(found.filter { $0 < end } == expected.reversed(), "filter \(number)")
        }
        // Each condition finds something, except the one about nobody.
        #expect(expected.isEmpty == (number == 2), "filter \(number)")
      }
      // By name after the erasure, and the page that listed several while they lived.
      let aboutErased = lines.filter { $0.record.subject == erased.subject.uuid }.map(\.action)
      #expect(aboutErased.contains(.erasureCompleted) && aboutErased.contains(.profileCreated))
      let pages = lines.filter { $0.record.subjectCount == 2 }
      #expect(pages.count == 1)
      let pageLists = listed[try #require(pages.first).sequence]
      #expect(pageLists == [live.subject])
    }
  }

  @Test("`from` is included and `to` is not, to the microsecond")
  func bounds() async throws {
    try await withHouse { house in
      _ = try await story(house)
      let lines = try await house.log()
      for line in lines {
        let time = line.entry.time
        var filter = LogFilter()
        filter.from = time
        filter.until = time + 1
        let page = try await house.reading.page(filter, before: nil, limit: 200, house.auditor)
        let same = lines.filter { $0.entry.time == time }.map(\.sequence)
        #expect(page.entries.map(\.sequence) == same.reversed())
      }
    }
  }

  @Test("a request looks at a bounded number of entries; a rare one is found by following the pages")
  func budget() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      for _ in 0..<60 { _ = try await house.profiles.profile(profile.id, house.somebody()) }
      let log = LogReading(custody: house.custody, checkpointer: house.server.checkpointer, budget: 16)
      var filter = LogFilter()
      filter.action = .exactly(.logStarted)
      let first = try await log.page(filter, before: nil, limit: 10, house.auditor)
      #expect(first.entries.isEmpty)
      let size = try await house.number("SELECT size FROM audit.heads WHERE tenant_id = \(house.tenant.uuid)")
      // The page's own entry came after it had looked.
      #expect(first.next == size - 1 - 16)
      let (found, pages) = try await all(filter, by: 10, log, house.auditor)
      #expect(found == [0])
      #expect(pages >= 4)
    }
  }

  @Test("every look is in the log: the conditions' names, how many entries, the person when it is one of ours")
  func recorded() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      var filter = LogFilter()
      filter.subject = profile.subject
      filter.action = .family("profile")
      let auditor = house.auditor
      let (page, lines) = try await house.added {
        try await house.reading.page(filter, before: nil, limit: 10, codes: ["show": "values"], auditor)
      }
      #expect(page.subjects == [profile.subject: .live])
      #expect(lines.map(\.action) == [.logRead])
      let record = try #require(lines.first).record
      #expect(record.subject == profile.subject.uuid)
      #expect(record.actor == auditor.actor.uuid)
      #expect(record.purpose == "audit")
      #expect(record.codes == ["filters": "subject+action", "entries": "1", "show": "values"])
      #expect(record.fields.isEmpty)
      let sideRows = try await house.side(of: try #require(lines.first).sequence)
      #expect(sideRows.map(\.subject) == [profile.subject])

      filter.subject = SubjectID(UUID())
      let (_, unknown) = try await house.added {
        try await house.reading.page(filter, before: nil, limit: 10, auditor)
      }
      #expect(unknown.map(\.record.subject) == [nil])
      #expect(unknown.map(\.record.codes) == [["filters": "subject+action", "entries": "0"]])

      let (entry, one) = try await house.added { try await house.reading.entry(0, auditor) }
      #expect(entry.record?.action == .logStarted)
      #expect(one.map(\.record.codes) == [["filters": "seq", "entries": "1"]])
    }
  }

  @Test("a look at an erased person's entries names that person and leaves nothing that could be linked")
  func aboutTheErased() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      try await house.tombstone(profile.subject)
      var filter = LogFilter()
      filter.subject = profile.subject
      let (page, lines) = try await house.added {
        try await house.reading.page(filter, before: nil, limit: 10, house.auditor)
      }
      #expect(page.entries.compactMap(\.record?.action) == [.erasureStarted, .profileCreated, .keyCreated])
      #expect(page.subjects == [profile.subject: .erasing])
      #expect(lines.map(\.record.subject) == [profile.subject.uuid])
      let listed = try await house.number(
        "SELECT count(*) FROM audit.entry_subjects WHERE subject_id = \(profile.subject.uuid)")
      #expect(listed == 0)
    }
  }

  @Test("nothing is shown when the look can't be written down")
  func failClosed() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      _ = try await house.server.checkpointer.publish(house.tenant)
      try await house.installation.data.sql("REVOKE INSERT ON audit.entries FROM lethe_app")
      let log = house.reading
      let codes = await house.attempts([
        { _ = try await log.page(LogFilter(), before: nil, limit: 10, house.auditor) },
        { _ = try await log.entry(0, house.auditor) },
        { _ = try await log.accesses(of: profile.subject, before: nil, limit: 10, house.auditor) },
      ])
      #expect(codes == [.unavailable, .unavailable, .unavailable])
      // A receipt shows no entry, and needs none.
      let receipt = try await log.receipt(0, house.auditor)
      #expect(receipt.index == 0)
    }
  }

  @Test("another tenant's log is another log")
  func tenants() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let stranger = AccessContext(tenant: other, actor: ActorID(UUID()), purpose: .audit, requestID: UUID())
      let page = try await house.reading.page(LogFilter(), before: nil, limit: 200, stranger)
      #expect(page.entries.map(\.sequence) == [0])
      var filter = LogFilter()
      filter.subject = profile.subject
      let theirs = try await house.reading.page(filter, before: nil, limit: 200, stranger)
      #expect(theirs.entries.isEmpty)
      #expect(theirs.next == nil)
      let code = try await refusal { try await house.reading.entry(3, stranger) }
      #expect(code == .notFound)
      let none = try await house.reading.accesses(of: profile.subject, before: nil, limit: 10, stranger)
      #expect(none.accesses.isEmpty)
    }
  }

  // MARK: What is not in the database any more

  @Test("rows that are gone are read from the archive: listings, single entries, receipts and a person's own list")
  func fromTheArchive() async throws {
    try await withHouse { house in
      let (live, erased, officer) = try await story(house)
      for _ in 0..<300 { _ = try await house.profiles.profile(live.id, officer) }
      let lines = try await house.log()
      let end = Int64(lines.count)
      _ = try await house.server.checkpointer.publish(house.tenant)
      var bySubject = LogFilter()
      bySubject.subject = live.subject
      var byErased = LogFilter()
      byErased.subject = erased.subject
      var since = LogFilter()
      since.from = lines[10].entry.time
      since.until = lines[280].entry.time
      var byAction = LogFilter()
      byAction.action = .exactly(.profileUpdated)
      let filters = [LogFilter(), bySubject, byErased, since, byAction]
      var before: [[Int64]] = []
      for filter in filters {
        before.append(try await all(filter, by: 50, house.reading, house.auditor).sequences.filter { $0 < end })
      }
      let touches = try await accesses(of: live.subject, house)

      let dropped = try await house.tamper(
        "DELETE FROM audit.entries WHERE tenant_id = \(house.tenant.uuid) AND seq < 300")
      #expect(dropped == 300)
      for (filter, expected) in zip(filters, before) {
        let found = try await all(filter, by: 50, house.reading, house.auditor).sequences.filter { $0 < end }
        #expect(found == expected)
      }
      for sequence: Int64 in [0, 255, 256, 299, 300] {
        let view = try await house.reading.entry(sequence, house.auditor)
        #expect(view.bytes == lines[Int(sequence)].entry.bytes)
        let receipt = try await house.reading.receipt(sequence, house.auditor)
        let key = try house.server.checkpointer.signer(of: house.tenant).verifierKey()
        let head = try receipt.verify(entry: view.bytes, key: key)
        #expect(head.size >= UInt64(end))
      }
      let after = try await accesses(of: live.subject, house)
      #expect(Array(after.suffix(touches.count)) == touches)
    }
  }

  @Test(
    "an entry that was deleted at the end of its time: 'expired', the list ends there, the receipt is still to be had")
  func expired() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      for _ in 0..<300 { _ = try await house.profiles.profile(profile.id, house.somebody()) }
      let lines = try await house.log()
      let end = Int64(lines.count)
      _ = try await house.server.checkpointer.publish(house.tenant)
      _ = try await house.tamper("DELETE FROM audit.entries WHERE tenant_id = \(house.tenant.uuid) AND seq < 256")
      try FileManager.default.removeItem(
        atPath: house.server.checkpointer.folder(of: house.tenant) + "/tile/entries/000")
      await #expect(throws: LogReadingError.expired) { try await house.reading.entry(255, house.auditor) }
      let (found, _) = try await all(LogFilter(), by: 100, house.reading, house.auditor)
      #expect(found.filter { $0 < end } == Array((256..<end).reversed()))
      var since = LogFilter()
      since.from = 0
      let (all, _) = try await all(since, by: 100, house.reading, house.auditor)
      #expect(all.filter { $0 < end } == Array((256..<end).reversed()))
      let receipt = try await house.reading.receipt(255, house.auditor)
      let key = try house.server.checkpointer.signer(of: house.tenant).verifierKey()
      try receipt.verify(entry: lines[255].entry.bytes, key: key)
    }
  }

  @Test("a row that is gone too early is 'unavailable', and never passed over as if it had not been")
  func lost() async throws {
    try await withHouse { house in
      _ = try await house.profile()
      _ = try await house.tamper("DELETE FROM audit.entries WHERE tenant_id = \(house.tenant.uuid) AND seq < 2")
      let codes = await house.attempts([
        { _ = try await house.reading.page(LogFilter(), before: nil, limit: 50, house.auditor) },
        { _ = try await house.reading.entry(0, house.auditor) },
      ])
      #expect(codes == [.unavailable, .unavailable])
    }
  }

  @Test("a receipt: for what is published, none for what isn't yet, none beyond the log's end")
  func receipts() async throws {
    try await withHouse { house in
      _ = try await house.profile()
      await #expect(throws: LogReadingError.notPublished) { try await house.reading.receipt(0, house.auditor) }
      let size = try #require(try await house.server.checkpointer.publish(house.tenant))
      let lines = try await house.log()
      let key = try house.server.checkpointer.signer(of: house.tenant).verifierKey()
      for line in lines {
        let receipt = try await house.reading.receipt(line.sequence, house.auditor)
        let head = try receipt.verify(entry: line.entry.bytes, key: key)
        #expect(head.size == size)
        let parsed = try Receipt(parsing: receipt.text)
        #expect(parsed == receipt)
      }
      _ = try await house.profile("Later")
      await #expect(throws: LogReadingError.notPublished) {
        try await house.reading.receipt(Int64(size), house.auditor)
      }
      let codes = await house.attempts([
        { _ = try await house.reading.receipt(10_000, house.auditor) },
        { _ = try await house.reading.receipt(-1, house.auditor) },
        { _ = try await house.reading.receipt(.max, house.auditor) },
      ])
      #expect(codes == [.notFound, .notFound, .notFound])
    }
  }

  // MARK: A person's own list

  private func accesses(of subject: SubjectID, _ house: House) async throws -> [PersonalAccess] {
    var found: [PersonalAccess] = []
    var before: Int64?
    repeat {
      let page = try await house.reading.accesses(
        of: subject, before: before, limit: 20, house.somebody(.selfService))
      found += page.accesses
      before = page.next
    } while before != nil
    return found
  }

  @Test("a person sees when, what and why, newest first, and nobody's name; the look is on the next list")
  func ownList() async throws {
    try await withHouse { house in
      let (live, erased, _) = try await story(house)
      let first = try await house.reading.accesses(
        of: live.subject, before: nil, limit: 100, house.somebody(.selfService))
      #expect(first.next == nil)
      #expect(
        first.accesses.map(\.action) == [
          "personal_data.read", "profile.updated", "personal_data.read", "personal_data.read", "profile.created",
          "key.created",
        ])
      #expect(first.accesses[2].fields == ["full_name", "email"])
      #expect(first.accesses[2].purpose == "profile_administration")
      let again = try await house.reading.accesses(
        of: live.subject, before: nil, limit: 1, house.somebody(.selfService))
      #expect(again.accesses.map(\.action) == ["log.read"])
      #expect(again.accesses.map(\.purpose) == ["self_service"])
      #expect(again.next != nil)
      let code = try await refusal {
        try await house.reading.accesses(of: erased.subject, before: nil, limit: 1, house.somebody(.selfService))
      }
      #expect(code == .erased)
    }
  }

  @Test("bytes that somebody changed in the database are shown as they are, and marked as no entry")
  func changedBytes() async throws {
    try await withHouse { house in
      _ = try await house.profile()
      _ = try await house.tamper(
        "UPDATE audit.entries SET entry = \(Array("x".utf8)) WHERE tenant_id = \(house.tenant.uuid) AND seq = 1")
      let page = try await house.reading.page(LogFilter(), before: 2, limit: 1, house.auditor)
      let view = try #require(page.entries.first)
      #expect(view.bytes == Array("x".utf8))
      #expect(view.record == nil)
      #expect(view.time == nil)
    }
  }
}

extension House {
  /// Reads the log of this house.
  var reading: LogReading { LogReading(custody: custody, checkpointer: server.checkpointer) }

  /// Somebody who looks at the log.
  var auditor: AccessContext { somebody(.audit) }
}

@Suite("Conditions on actions")
struct LogFilterActionTests {
  @Test(
    "a name is one action, a name with .* a family",
    arguments: [
      ("profile.read", true), ("personal_data.*", true), ("a.b.*", true), ("*", false), ("profile", false),
      ("profile.", false), (".*", false), ("profile.**", false), ("profile.*.x", false), ("Profile.*", false),
      ("profile.read.*", true), ("", false), ("profile.read\"", false), ("profile.é", false),
    ])
  func reading(text: String, isTaken: Bool) {
    let action = LogFilter.Action(text)
    #expect((action != nil) == isTaken)
  }

  @Test("a family is every action behind its words and a dot, and nothing else")
  func families() throws {
    let family = try #require(LogFilter.Action("profile.*"))
    #expect(family.matches(.profileCreated))
    #expect(family.matches(AuditAction(rawValue: "profile.x.y")))
    #expect(!family.matches(AuditAction(rawValue: "profiles.created")))
    #expect(!family.matches(.personalDataRead))
  }
}
