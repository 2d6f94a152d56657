import Custody
import Foundation
import Profiles
import ProfilesAPI
import SampleData

/// Fills the sample tenant with synthetic people, by the same door as everybody else. A start that was killed on the
/// way goes on where it was.
struct SamplePopulation {
  let server: Server
  let home: DevHome
  let tenant: TenantID

  /// Adds people until there have been `count`.
  func fill(to count: Int) async throws {
    let done =
      FileManager.default.contents(atPath: home.sampleCount).flatMap { String(decoding: $0, as: UTF8.self) }
      .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? 0
    guard count > done else { return }
    let people = SamplePeople(count: count).dropFirst(done)
    let context = AccessContext.operation(tenant)
    var added = 0
    for batch in people.chunks(of: 8) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for person in batch { group.addTask { try await add(person, context) } }
        try await group.waitForAll()
      }
      added += batch.count
      if added.isMultiple(of: 1_000) { Console.note("  sample     \(done + added) of \(count) people") }
    }
    try home.write(Array("\(count)\n".utf8), to: home.sampleCount)
    Console.say("  sample     \(count) synthetic people")
  }

  private func add(_ person: SamplePerson, _ context: AccessContext) async throws {
    let draft = try ProfileDraft(
      fullName: person.fullName, email: person.email, phone: person.phone, identity: nil, country: person.country,
      language: person.language)
    do {
      let profile = try await server.profiles.create(draft, context)
      _ = try await server.profiles.move(profile.id, .activate, context)
    } catch let error as CustodyError where error.code == .taken {
      // Added by a start that was killed before it could say so.
    }
  }
}

extension Collection {
  /// The collection in pieces of at most `size`.
  fileprivate func chunks(of size: Int) -> [SubSequence] {
    var pieces: [SubSequence] = []
    var start = startIndex
    while start != endIndex {
      let end = index(start, offsetBy: size, limitedBy: endIndex) ?? endIndex
      pieces.append(self[start..<end])
      start = end
    }
    return pieces
  }
}
