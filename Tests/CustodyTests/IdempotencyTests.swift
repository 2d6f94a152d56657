import Foundation
import Postgres
import Profiles
import Schema
import Testing
import Vault

@testable import Custody

extension IdempotencyOutcome {
  /// The case's name.
  var name: String {
    switch self {
    case .proceed: "proceed"
    case .replay: "replay"
    case .running: "running"
    case .mismatched: "mismatched"
    case .erased: "erased"
    }
  }

  var claim: IdempotencyClaim? {
    if case .proceed(let claim) = self { claim } else { nil }
  }
}

@Suite("Idempotency", .serialized)
struct IdempotencyTests {
  private func scope(_ context: AccessContext, client: String = "client", key: String = "k") -> IdempotencyScope {
    IdempotencyScope(client: client, actor: context.actor, operation: "POST /profiles", key: key)
  }

  private let body: [UInt8] = Array(#"{"full_name":"Zoë"}"#.utf8)

  @Test("a request claimed by many at once is carried out by one")
  func atOnce() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let outcomes = try await withThrowingTaskGroup(of: String.self) { group in
        for _ in 0..<20 {
          group.addTask { try await house.custody.claim(scope(context), payload: body, context).name }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(outcomes.filter { $0 == "proceed" }.count == 1)
      #expect(outcomes.filter { $0 == "running" }.count == 19)
    }
  }

  @Test("a claim is of one client, actor, operation, key and tenant")
  func scopes() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let elsewhere = AccessContext(
        tenant: other, actor: context.actor, purpose: context.purpose, requestID: context.requestID)
      let same = scope(context)
      let scopes: [(IdempotencyScope, AccessContext)] = [
        (same, context), (scope(context, client: "other"), context), (scope(house.somebody()), context),
        (scope(context, key: "k2"), context), (same, elsewhere),
        (IdempotencyScope(client: "client", actor: context.actor, operation: "POST /other", key: "k"), context),
        // Parts can't be shifted into each other.
        (IdempotencyScope(client: "clien", actor: context.actor, operation: "tPOST /profiles", key: "k"), context),
      ]
      for (scope, context) in scopes {
        let name = try await house.custody.claim(scope, payload: body, context).name
        #expect(name == "proceed")
      }
      let again = try await house.custody.claim(same, payload: body, context).name
      #expect(again == "running")
    }
  }

  @Test("neither key nor body nor a bare hash of them is stored")
  func nothingGuessable() async throws {
    try await withHouse { house in
      let context = house.somebody()
      _ = try await house.custody.claim(scope(context, key: "my-secret-key"), payload: body, context)
      let text = try await house.installation.data.sql("SELECT i::text FROM custody.idempotency i")
      for bytes in [Array("my-secret-key".utf8), body] {
        #expect(!text.contains(Custody.hex(bytes)))
        #expect(!text.contains(SHA256Hex.of(bytes)))
      }
      #expect(text.contains("running"))
    }
  }

  @Test("the same key with another body is refused, while it runs and afterwards")
  func mismatched() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let claim = try #require(try await house.custody.claim(scope(context), payload: body, context).claim)
      let running = try await house.custody.claim(scope(context), payload: [0], context).name
      #expect(running == "mismatched")
      try await house.custody.keep(KeptAnswer(status: 409, body: [9]), for: claim, context)
      let done = try await house.custody.claim(scope(context), payload: [0], context).name
      #expect(done == "mismatched")
    }
  }

  @Test("an answer about nobody is replayed as it was, without an entry")
  func plain() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let claim = try #require(try await house.custody.claim(scope(context), payload: body, context).claim)
      let answer = KeptAnswer(status: 409, headers: ["retry-after": "2", "etag": "\"ü\""], body: [0, 255, 10])
      try await house.custody.keep(answer, for: claim, context)
      let (outcome, lines) = try await house.added {
        try await house.custody.claim(scope(context), payload: body, context)
      }
      guard case .replay(let kept) = outcome else {
        Issue.record("\(outcome.name)")
        return
      }
      #expect(kept == answer)
      #expect(lines.isEmpty)
    }
  }

  @Test("an answer about somebody is sealed, its replay is a read, and it is gone with the person")
  func personal() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let claim = try #require(try await house.custody.claim(scope(context), payload: body, context).claim)
      let profile = try await house.profile(
        "Zoë Ñandú", context,
        answering: Answering(claim: claim) { KeptAnswer(status: 201, body: Array($0.fullName.disclosed().utf8)) }
      )
      let (outcome, lines) = try await house.added {
        try await house.custody.claim(scope(context), payload: body, context)
      }
      guard case .replay(let kept) = outcome else {
        Issue.record("\(outcome.name)")
        return
      }
      #expect(kept.body == Array("Zoë Ñandú".utf8))
      #expect(lines.map(\.action) == [.personalDataRead])
      #expect(lines.first?.record.subject == profile.subject.uuid)
      #expect(lines.first?.record.fields == ["idempotent_answer"])
      #expect(lines.first?.record.codes == ["replay": "idempotency_key"])
      try await house.tombstone(profile.subject)
      let gone = try await house.custody.claim(scope(context), payload: body, context).name
      #expect(gone == "erased")
    }
  }

  @Test("after its lease a claim may be taken over by one, and what the slow attempt does is not committed")
  func fenced() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let slow = try #require(try await house.custody.claim(scope(context), payload: body, context).claim)
      let early = try await house.custody.claim(scope(context), payload: body, context).name
      #expect(early == "running")
      try await house.tamper("UPDATE custody.idempotency SET lease_until = \(Microseconds.now() - 1)")
      let outcomes = try await withThrowingTaskGroup(of: IdempotencyOutcome.self) { group in
        for _ in 0..<8 {
          group.addTask { try await house.custody.claim(scope(context), payload: body, context) }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let second = try #require(outcomes.compactMap(\.claim).first)
      #expect(outcomes.compactMap(\.claim).count == 1)
      #expect(outcomes.filter { $0.name == "running" }.count == 7)

      let before = try await house.snapshot()
      let code = try await refusal {
        try await house.profile(
          email: "a@example.org", context, answering: Answering(claim: slow) { _ in KeptAnswer(status: 201, body: [1]) }
        )
      }
      #expect(code == .fenced)
      // Nor can it let go of, or answer for, what is no longer its own.
      try await house.custody.release(slow, context)
      try await house.custody.keep(KeptAnswer(status: 500, body: []), for: slow, context)
      let after = try await house.snapshot()
      #expect(after == before)

      let profile = try await house.profile(
        email: "a@example.org", context, answering: Answering(claim: second) { _ in KeptAnswer(status: 201, body: [2]) }
      )
      guard case .replay(let kept) = try await house.custody.claim(scope(context), payload: body, context) else {
        Issue.record("not kept")
        return
      }
      #expect(kept.body == [2])
      let profiles = try await house.number("SELECT count(*) FROM user_profiles.profiles")
      #expect(profiles == 1)
      #expect(profile.version == 1)
    }
  }

  @Test("a slow attempt that nobody took over may still finish")
  func lateButAlone() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let claim = try #require(try await house.custody.claim(scope(context), payload: body, context).claim)
      try await house.tamper("UPDATE custody.idempotency SET lease_until = 1")
      _ = try await house.profile(
        "Zoë Ñandú", context, answering: Answering(claim: claim) { _ in KeptAnswer(status: 201, body: [1]) })
      let name = try await house.custody.claim(scope(context), payload: body, context).name
      #expect(name == "replay")
    }
  }

  @Test("after its lease a claim with another body is still refused")
  func expiredMismatch() async throws {
    try await withHouse { house in
      let context = house.somebody()
      _ = try await house.custody.claim(scope(context), payload: body, context)
      try await house.tamper("UPDATE custody.idempotency SET lease_until = 1")
      let name = try await house.custody.claim(scope(context), payload: [0], context).name
      #expect(name == "mismatched")
    }
  }

  @Test("a claim that was let go of can be claimed again; a finished one can't be let go of")
  func released() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let first = try #require(try await house.custody.claim(scope(context), payload: body, context).claim)
      try await house.custody.release(first, context)
      let second = try #require(try await house.custody.claim(scope(context), payload: body, context).claim)
      try await house.custody.keep(KeptAnswer(status: 200, body: [1]), for: second, context)
      try await house.custody.release(second, context)
      let name = try await house.custody.claim(scope(context), payload: body, context).name
      #expect(name == "replay")
    }
  }

  @Test("yesterday's key is found today; the day before yesterday's is not")
  func days() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let today = Int32(Microseconds.now() / 86_400_000_000)
      func store(_ key: String, day: Int32, completed: Bool) async throws {
        let dayKey = try await house.custody.keys.dayKey(day, tenant: house.tenant)
        let tag = try dayKey.tag(.idempotency, "key:" + scope(context, key: key).text)
        let print = try dayKey.tag(.idempotency, "payload:" + SHA256Hex.of(body))
        let fence = UUID()
        try await house.custody.data.transaction(settings: context.settings) { transaction in
          _ = try IdempotencyStore.claim(
            tag, day: day, fingerprint: print, fence: fence, leaseUntil: .max, tenant: context.tenant, at: 1,
            in: transaction)
          guard completed else { return }
          _ = try IdempotencyStore.complete(
            IdempotencyClaim(keyTag: tag, fence: fence), status: 200, headers: [:], subject: nil, sealed: nil,
            plain: [UInt8(7)], tenant: context.tenant, in: transaction)
        }
      }
      try await store("running", day: today - 1, completed: false)
      try await store("done", day: today - 1, completed: true)
      try await store("old", day: today - 2, completed: true)
      let running = try await house.custody.claim(scope(context, key: "running"), payload: body, context).name
      #expect(running == "running")
      let done = try await house.custody.claim(scope(context, key: "done"), payload: body, context)
      guard case .replay(let kept) = done else {
        Issue.record("\(done.name)")
        return
      }
      #expect(kept.body == [7])
      let other = try await house.custody.claim(scope(context, key: "done"), payload: [0], context).name
      #expect(other == "mismatched")
      let old = try await house.custody.claim(scope(context, key: "old"), payload: body, context).name
      #expect(old == "proceed")
    }
  }

  @Test("two replicas make one key of the day between them")
  func dayKeys() async throws {
    try await withHouse { house in
      let custody = house.custody
      let names = try await withThrowingTaskGroup(of: [UInt8].self) { group in
        for _ in 0..<10 {
          group.addTask {
            let keys = SubjectKeys(
              store: custody.keyStore, keyring: custody.keyring, cache: try KeyCache(capacity: 0))
            return try await keys.dayKey(20_000, tenant: house.tenant).tag(.idempotency, "x")
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(names).count == 1)
    }
  }
}
