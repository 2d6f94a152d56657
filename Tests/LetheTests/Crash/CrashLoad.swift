import AsyncHTTPClient
import Audit
import Custody
import Foundation
import NIOCore
import NIOHTTP1
import Postgres
import ServiceTesting
import Signing
import StrictJSON
import Tokens

/// One caller of the load: creates, reads, searches and erases people, at whichever server, until told to stop.
struct CrashLoad {
  let site: CrashSite
  let evidence: CrashEvidence
  let http: HTTPClient
  private let people: [(admin: TestPerson, officer: TestPerson, second: TestPerson, auditor: TestPerson)]
  private var generator: SeededGenerator
  private let name: String
  private var unanswered: [Creation] = []

  /// A creation whose answer never came; repeated with its own key, by the same caller.
  private struct Creation {
    let tenant: Int
    let email: String
    let key: String
  }

  init(_ number: Int, site: CrashSite, evidence: CrashEvidence, http: HTTPClient, seed: UInt64) throws {
    self.site = site
    self.evidence = evidence
    self.http = http
    name = "load\(number)"
    generator = SeededGenerator(seed: seed &+ UInt64(number))
    people = try site.tenants.map { tenant in
      func person(_ role: String) throws -> TestPerson {
        try site.issuer.person("\(role)-\(number)", in: tenant, lifetime: 43_200)
      }
      return (try person("admin"), try person("officer"), try person("second"), try person("auditor"))
    }
  }

  mutating func run() async {
    while !evidence.isOver {
      switch Int.random(in: 0..<100, using: &generator) {
      case 0..<25: await create()
      case 25..<60: await read()
      case 60..<70: await search()
      case 70..<80: await repeatCreation()
      case 80..<86: await erase()
      case 86..<94: await lookAtErased()
      default: await audit()
      }
    }
  }

  // MARK: What it does

  private mutating func create() async {
    let tenant = Int.random(in: 0..<site.tenants.count, using: &generator)
    let key = UUID().uuidString.lowercased()
    await create(Creation(tenant: tenant, email: "\(name)-\(key)@example.org", key: key))
  }

  /// A creation whose answer was lost happens once, whatever became of the first attempt.
  private mutating func repeatCreation() async {
    if let position = unanswered.indices.randomElement(using: &generator) {
      await create(unanswered.remove(at: position))
    }
  }

  private mutating func create(_ creation: Creation) async {
    let answer = await call(
      "POST", "/profiles", as: people[creation.tenant].admin,
      body: #"{"full_name":"Crash \#(name)","email":"\#(creation.email)"}"#, key: creation.key)
    guard let answer, answer.status != 503, answer.problem != "in-progress" else {
      unanswered.append(creation)
      return
    }
    guard answer.status == 201, let id = answer.json["id"]?.string else {
      return evidence.complain("create: \(answer.status) \(answer.problem ?? "") \(answer.request)")
    }
    acknowledge(answer, creation.tenant, answer.isRepeated ? .personalDataRead : .profileCreated)
    evidence.count(answer.isRepeated ? "created, told later" : "created")
    evidence.with {
      $0.living[id] = CrashEvidence.Person(tenant: creation.tenant, id: id, email: creation.email)
    }
  }

  private mutating func read() async {
    guard let person = someone() else { return }
    guard let answer = await call("GET", "/profiles/\(person.id)", as: people[person.tenant].admin) else { return }
    switch answer.status {
    case 200 where answer.json["email"]?.string == person.email:
      acknowledge(answer, person.tenant, .personalDataRead)
      evidence.count("read")
    case 503: break
    // Somebody else may have asked for the erasure meanwhile.
    case 410 where evidence.with({ $0.living[person.id] == nil }): break
    default: evidence.complain("read: \(answer.status) \(answer.problem ?? "") \(answer.request)")
    }
  }

  private mutating func search() async {
    guard let person = someone() else { return }
    let answer = await call(
      "POST", "/profiles:search", as: people[person.tenant].admin, body: #"{"email":"\#(person.email)"}"#)
    guard let answer, answer.status != 503 else { return }
    let found = answer.json["items"]?.array?.compactMap { $0["id"]?.string }
    if answer.status == 410, evidence.with({ $0.living[person.id] == nil }) { return }
    guard answer.status == 200, found == [person.id] || evidence.with({ $0.living[person.id] == nil }) else {
      return evidence.complain("search: \(answer.status) \(found?.count ?? -1) \(answer.request)")
    }
    acknowledge(answer, person.tenant, .personalDataSearched)
    evidence.count("searched")
  }

  private mutating func erase() async {
    let number = generator.next()
    let person = evidence.with { state -> CrashEvidence.Person? in
      // Enough of them stay to be read.
      guard state.living.count > 20 else { return nil }
      let id = state.living.keys.sorted()[Int(number % UInt64(state.living.count))]
      state.unsettled.insert(id)
      return state.living.removeValue(forKey: id)
    }
    guard let person else { return }
    let who = people[person.tenant]
    let opened = await once(
      "/privacy/data", as: who.officer, body: #"{"type":"erasure","profile_id":"\#(person.id)"}"#, person)
    guard let request = opened?.json["id"]?.string else { return }
    guard await once("/privacy/data/\(request):verify", as: who.officer, body: #"{"method":"login"}"#, person) != nil,
      await once("/privacy/data/\(request):approve", as: who.second, person) != nil,
      await once("/privacy/data/\(request):execute", as: who.officer, person) != nil
    else { return }
    evidence.count("erasure ordered")
    evidence.with { state in
      state.unsettled.remove(person.id)
      state.ordered[person.id] = CrashEvidence.Order(person: person, request: request)
    }
  }

  /// A step that is repeated with its key until it is answered; nil when a server that is gone holds the claim.
  private mutating func once(
    _ path: String, as somebody: TestPerson, body: String? = nil, _ person: CrashEvidence.Person
  ) async -> Answer? {
    let key = UUID().uuidString
    while !evidence.isOver {
      guard let answer = await call("POST", path, as: somebody, body: body, key: key), answer.status != 503 else {
        continue
      }
      if answer.problem == "in-progress" { return nil }
      guard (200..<300).contains(answer.status) else {
        evidence.complain("\(path.split(separator: ":").last ?? ""): \(answer.status) \(answer.problem ?? "")")
        return nil
      }
      acknowledge(answer, person.tenant, nil)
      return answer
    }
    return nil
  }

  /// Whose erasure was ordered is gone at some time, and then for good.
  private mutating func lookAtErased() async {
    let number = generator.next()
    let look = evidence.with { state -> (person: CrashEvidence.Person, isErased: Bool)? in
      let ids = (number % 2 == 0 ? Array(state.ordered.keys) : Array(state.erased.keys)).sorted()
      if ids.isEmpty { return nil }
      let id = ids[Int(number / 2 % UInt64(ids.count))]
      return state.erased[id].map { ($0, true) } ?? state.ordered[id].map { ($0.person, false) }
    }
    guard let look else { return }
    let (person, isErased) = look
    let answer = await call("GET", "/profiles/\(person.id)", as: people[person.tenant].admin)
    switch answer?.status {
    case 410: evidence.with { $0.erased[person.id] = person }
    case nil, 503: break
    case 200 where !isErased: break
    default: evidence.complain("an erased person: \(answer?.status ?? 0)")
    }
  }

  /// Fetches the checkpoint, as an auditor does, and keeps it.
  private mutating func audit() async {
    let tenant = Int.random(in: 0..<site.tenants.count, using: &generator)
    guard let answer = await call("GET", "/audit/checkpoint", as: people[tenant].auditor), answer.status != 503 else {
      return
    }
    // Not published yet.
    if answer.status == 404 { return }
    do {
      let note = try SignedNote(parsing: answer.body)
      _ = try note.verified(by: [site.keys[tenant]])
      evidence.saw(note, try Checkpoint(parsing: note.body), of: tenant)
      evidence.count("checkpoint fetched")
    } catch {
      evidence.complain("checkpoint: \(answer.status) \(error)")
    }
  }

  private mutating func someone() -> CrashEvidence.Person? {
    let number = generator.next()
    return evidence.with { state in
      if state.living.isEmpty { return nil }
      // In no order, but anybody.
      let position = state.living.index(state.living.startIndex, offsetBy: Int(number % UInt64(state.living.count)))
      return state.living[position].value
    }
  }

  private func acknowledge(_ answer: Answer, _ tenant: Int, _ action: AuditAction?) {
    evidence.acknowledge(.init(tenant: tenant, request: answer.request, action: action))
  }

  // MARK: HTTP

  struct Answer {
    let status: Int
    let request: UUID
    let isRepeated: Bool
    let body: [UInt8]
    var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    var problem: String? { json["type"]?.string?.split(separator: ":").last.map(String.init) }
  }

  /// Nil when no whole answer came.
  mutating func call(
    _ method: String, _ path: String, as person: TestPerson, body: String? = nil, key: String? = nil
  ) async -> Answer? {
    guard let port = site.ports.randomElement(using: &generator) else {
      try? await Task.sleep(for: .milliseconds(20))
      return nil
    }
    do {
      var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
      request.method = .init(rawValue: method)
      let proof = try person.signer.proof(
        method: method, url: Installation.origin + path, accessToken: person.token, now: UnixClock.now())
      request.headers.add(name: "Authorization", value: "DPoP \(person.token)")
      request.headers.add(name: "DPoP", value: proof)
      if let key { request.headers.add(name: "Idempotency-Key", value: key) }
      if let body {
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(ByteBuffer(string: body))
      }
      let response = try await http.execute(request, timeout: .seconds(30))
      let bytes = Array(try await response.body.collect(upTo: 1 << 20).readableBytesView)
      let named = response.headers.first(name: "Request-Id").flatMap { UUID(uuidString: $0) }
      guard let id = named else {
        evidence.complain("an answer without Request-Id: \(response.status.code)")
        return nil
      }
      if response.status.code == 503 {
        evidence.count("503")
        try? await Task.sleep(for: .milliseconds(10))
      }
      return Answer(
        status: Int(response.status.code), request: id,
        isRepeated: response.headers.contains(name: "Idempotency-Replayed"), body: bytes)
    } catch {
      evidence.count("no answer")
      try? await Task.sleep(for: .milliseconds(10))
      return nil
    }
  }
}
