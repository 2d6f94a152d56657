import Foundation
import StrictJSON
import Synchronization
import Testing

@Suite("A rotation that is killed")
struct RotationKilledTests {
  /// What was acknowledged to the callers of the load.
  private final class Ledger: Sendable {
    struct Person: Sendable {
      let id: String
      let email: String
    }
    private let people = Mutex<[Person]>([])
    private let gone = Mutex<[Person]>([])
    private let stopped = Mutex(false)
    private let unexpected = Mutex<[String]>([])

    var living: [Person] { people.withLock { $0 } }
    var erased: [Person] { gone.withLock { $0 } }
    var isStopped: Bool { stopped.withLock { $0 } }
    var complaints: [String] { unexpected.withLock { $0 } }
    func created(_ person: Person) { people.withLock { $0.append(person) } }
    func takeOne() -> Person? { people.withLock { $0.isEmpty ? nil : $0.remove(at: Int.random(in: 0..<$0.count)) } }
    func erasing(_ person: Person) { gone.withLock { $0.append(person) } }
    func stop() { stopped.withLock { $0 = true } }
    func complain(_ text: String) { unexpected.withLock { $0.append(text) } }
  }

  @Test(
    "at 200 points under load loses nobody, leaves nobody unreadable, and brings nobody back",
    .timeLimit(.minutes(10)))
  func killed() async throws {
    try await withHome { home in
      let port = try ServiceProcess.freePort()
      let service = try ServiceProcess(
        ["dev", "--sample", "60"], home: home, port: port, environment: ["KEY_ROTATION_DAYS": "0"])
      try await service.ready()
      let variables = try Self.environment(of: home)
      let ledger = Ledger()
      let load = Task { await Self.load(service, home: home, ledger) }

      var generator = SystemRandomNumberGenerator()
      var (kills, finished) = (0, 0)
      while kills < 200 {
        let rotation = try ServiceProcess(
          ["keys", "rotate", "--batch", "5"], home: home, port: port, environment: variables)
        let delay = Int.random(in: 60...700, using: &generator)
        let began = ContinuousClock.now
        while rotation.isRunning, began.duration(to: .now) < .milliseconds(delay) {
          try await Task.sleep(for: .milliseconds(5))
        }
        if rotation.isRunning {
          rotation.killHard()
          kills += 1
        }
        let end = try await rotation.end()
        if !end.bySignal {
          // It was done before the shot.
          #expect(end.status == 0, "\(rotation.printed)")
          finished += 1
        }
        try? FileManager.default.removeItem(atPath: rotation.output)
        try #require(finished < 2_000)
      }
      ledger.stop()
      await load.value
      // What the last shot left behind is carried on, to its end.
      let last = try ServiceProcess(["keys", "rotate"], home: home, port: port, environment: variables)
      let end = try await last.end()
      #expect(end.status == 0, "\(last.printed)")

      #expect(ledger.complaints == [])
      let living = ledger.living
      #expect(living.count > 10)
      let admin = try Caller("admin", home: home)
      for person in living {
        let read = try await service.call("GET", "/profiles/\(person.id)", as: admin)
        #expect(read.status == 200)
        #expect(read.json["email"]?.string == person.email)
        let found = try await service.call(
          "POST", "/profiles:search", as: admin, body: #"{"email":"\#(person.email)"}"#)
        #expect(found.json["items"]?.array?.first?["id"]?.string == person.id)
      }
      #expect(ledger.erased.count > 2)
      for person in ledger.erased {
        let read = try await eventually("the erasure of \(person.id)") {
          let answer = try await service.call("GET", "/profiles/\(person.id)", as: admin)
          return answer.status == 410 ? answer : nil
        }
        #expect(read.status == 410)
        let found = try await service.call(
          "POST", "/profiles:search", as: admin, body: #"{"email":"\#(person.email)"}"#)
        #expect(found.json["items"]?.array?.isEmpty == true)
      }
      // The sample people were there before the first rotation, and all of them still are.
      var (count, path): (Int, String?) = (0, "/profiles?limit=100")
      while let page = path {
        let answer = try await service.call("GET", page, as: admin)
        #expect(answer.status == 200)
        count += answer.json["items"]?.array?.count ?? 0
        path = answer.json["next"]?.string.map { "/profiles?limit=100&cursor=\($0)" }
      }
      #expect(count == 60 + living.count)
      service.interrupt()
      #expect(try await service.end().status == 0)
    }
  }

  /// Creates, reads and erases people, one after the other, until it is told to stop.
  private static func load(_ service: ServiceProcess, home: String, _ ledger: Ledger) async {
    var number = 0
    while !ledger.isStopped {
      number += 1
      do {
        try await create(service, home: home, number, ledger)
        if number % 5 == 0 { try await erase(service, home: home, ledger) }
      } catch {
        ledger.complain("\(error)")
      }
    }
  }

  private static func create(_ service: ServiceProcess, home: String, _ number: Int, _ ledger: Ledger) async throws {
    let admin = try Caller("admin", home: home)
    let email = "load-\(number)@example.org"
    let answer = try await service.call(
      "POST", "/profiles", as: admin, body: #"{"full_name":"Load \#(number)","email":"\#(email)"}"#)
    // Unavailable for a moment is no loss; anything else is.
    if answer.status == 503 { return }
    guard answer.status == 201, let id = answer.json["id"]?.string else {
      return ledger.complain("created with \(answer.status)")
    }
    ledger.created(.init(id: id, email: email))
    let twice = try await service.call(
      "POST", "/profiles", as: admin, body: #"{"full_name":"Twin","email":"\#(email)"}"#)
    if twice.status != 409 && twice.status != 503 { ledger.complain("an address claimed twice: \(twice.status)") }
    if let other = ledger.living.randomElement() {
      let read = try await service.call("GET", "/profiles/\(other.id)", as: admin)
      if read.status != 200 && read.status != 503 { ledger.complain("read with \(read.status)") }
    }
  }

  private static func erase(_ service: ServiceProcess, home: String, _ ledger: Ledger) async throws {
    guard let person = ledger.takeOne() else { return }
    let officer = try Caller("officer", home: home)
    let second = try Caller("officer2", home: home)
    let opened = try await service.call(
      "POST", "/privacy/data", as: officer, body: #"{"type":"erasure","profile_id":"\#(person.id)"}"#)
    guard let request = opened.json["id"]?.string else { return ledger.created(person) }
    let steps: [(String, Caller, String?)] = [
      (":verify", officer, #"{"method":"login"}"#), (":approve", second, nil), (":execute", officer, nil),
    ]
    for (step, caller, body) in steps {
      var status = 503
      while status == 503 {
        status = try await service.call("POST", "/privacy/data/\(request)\(step)", as: caller, body: body).status
      }
      if status >= 300 { return ledger.complain("\(step) with \(status)") }
    }
    ledger.erasing(person)
  }

  /// What `lethe dev` has written for a second process.
  private static func environment(of home: String) throws -> [String: String] {
    let text = try String(contentsOfFile: home + "/run/environment", encoding: .utf8)
    var variables: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
      if parts.count == 2 { variables[parts[0]] = parts[1].trimmingCharacters(in: CharacterSet(charactersIn: "'")) }
    }
    return variables
  }
}
