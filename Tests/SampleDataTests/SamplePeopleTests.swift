import SampleData
import Testing

@Suite("Sample people")
struct SamplePeopleTests {
  private static let many = Array(SamplePeople(count: 20_000))

  @Test("the first five people of seed 1 are always the same")
  func firstFive() {
    let expected: [SamplePerson] = [
      SamplePerson(
        fullName: "Julián Condori Yupanqui",
        email: "julian.condori.0@example.net",
        phone: "+51000766590",
        country: "PE",
        language: "es"
      ),
      SamplePerson(
        fullName: "رؤى إدريس المصري",
        email: "ruaa.elmasry.1@example.net",
        phone: "+966000303409",
        country: "SA",
        language: "ar"
      ),
      SamplePerson(
        fullName: "Valentina Fernández López",
        email: "valentina.fernandez.2@example.com",
        phone: "+570000271278",
        country: "CO",
        language: "es"
      ),
      SamplePerson(
        fullName: "Sebastián Mejía Gómez",
        email: "sebastian.mejia.3@example.com",
        phone: "+520002517482",
        country: "MX",
        language: "es"
      ),
      SamplePerson(
        fullName: "Гарри Ткаченко",
        email: "harry.tkachenko.4@example.org",
        phone: "+12815550192",
        country: "US",
        language: "en"
      ),
    ]
    #expect(Array(SamplePeople(count: 5)) == expected)
  }

  @Test("a longer sequence begins with the people of a shorter one")
  func prefix() {
    #expect(Array(SamplePeople(count: 30, seed: 7)) == Array(SamplePeople(count: 300, seed: 7).prefix(30)))
  }

  @Test("a position can be asked for by itself, also far out")
  func position() {
    let people = SamplePeople(count: .max, seed: 3)
    #expect(people[17] == Array(SamplePeople(count: 18, seed: 3)).last)
    #expect(people[5_000_000_000].email.contains(".5000000000@example."))
  }

  @Test("another seed gives other people")
  func seeds() {
    let one = Set(SamplePeople(count: 100, seed: 1).map(\.fullName))
    let two = Set(SamplePeople(count: 100, seed: 2).map(\.fullName))
    #expect(one.intersection(two).count < 20)
  }

  @Test("a count of zero or less is nobody", arguments: [0, -1, Int.min])
  func nobody(count: Int) {
    #expect(Array(SamplePeople(count: count)).isEmpty)
  }

  @Test("20,000 people have 20,000 addresses and 20,000 telephone numbers")
  func distinct() {
    #expect(Set(Self.many.map(\.email)).count == 20_000)
    #expect(Set(Self.many.map(\.phone)).count == 20_000)
  }

  @Test("telephone numbers differ up to the limit that is promised, and then they repeat")
  func phoneLimit() {
    let limit = SamplePeople.distinctPhones
    #expect(limit == 120_000)
    var seen = Set<String>()
    let round = SamplePeople.countries.count
    for person in SamplePeople(count: limit) { seen.insert(person.phone) }
    #expect(seen.count == limit)
    for person in SamplePeople(count: limit + round).suffix(round) { seen.insert(person.phone) }
    #expect(seen.count == limit + round - 1)
  }

  @Test("every twelve people live in twelve countries")
  func rounds() {
    for start in stride(from: 0, to: 1_200, by: 12) {
      let countries = Self.many[start..<start + 12].map(\.country)
      #expect(Set(countries) == Set(SamplePeople.countries))
    }
    #expect(Self.many[0..<12].map(\.country) != Self.many[12..<24].map(\.country))
  }

  @Test("addresses are lower-case ASCII, short enough, and under a domain that is reserved for examples")
  func addresses() {
    let faults = Self.many.map(\.email).filter { email in
      let parts = email.split(separator: "@", omittingEmptySubsequences: false)
      guard parts.count == 2, ["example.com", "example.org", "example.net"].contains(parts[1]) else { return true }
      let words = parts[0].split(separator: ".", omittingEmptySubsequences: false)
      let isPlain = words.allSatisfy { word in
        !word.isEmpty && word.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) }
      }
      return !isPlain || words.count < 2 || parts[0].utf8.count > 64
    }
    #expect(faults == [])
  }

  @Test(
    "a telephone number has the form of its country and cannot ring",
    arguments: [
      ("PE", "+51000", 12), ("CL", "+56000", 12), ("CO", "+57000", 13), ("MX", "+52000", 13), ("ES", "+34000", 12),
      ("BR", "+55000", 14), ("JP", "+81000", 13), ("EG", "+20000", 13), ("SA", "+966000", 13), ("AE", "+971000", 13),
      ("MA", "+212000", 13),
    ]
  )
  func phones(country: String, beginning: String, length: Int) {
    let phones = Self.many.filter { $0.country == country }.map(\.phone)
    #expect(phones.count >= 1_666)
    let faults = phones.filter { phone in
      !(phone.hasPrefix(beginning) && phone.count == length && isDigits(phone.dropFirst()))
    }
    #expect(faults == [])
  }

  @Test("a number of the United States is one of the hundred that its area code sets aside for fiction")
  func americanPhones() {
    let phones = Self.many.filter { $0.country == "US" }.map(\.phone)
    #expect(phones.count >= 1_666)
    let faults = phones.filter { phone in
      let areaCode = phone.dropFirst(2).prefix(3)
      return
        !(phone.hasPrefix("+1") && phone.count == 12 && isDigits(phone.dropFirst())
        && ("200"..."999").contains(String(areaCode)) && phone.dropFirst(5).hasPrefix("55501"))
    }
    #expect(faults == [])
  }

  @Test("all seven languages are met, and each country has those of its people")
  func languages() {
    var met: [String: Set<String>] = [:]
    for person in Self.many { met[person.country, default: []].insert(person.language) }
    #expect(
      met == [
        "PE": ["es"], "CL": ["es", "de"], "CO": ["es"], "MX": ["es"], "ES": ["es", "de"], "BR": ["pt", "ja", "de"],
        "US": ["en", "es"], "JP": ["ja"], "EG": ["ar"], "SA": ["ar"], "AE": ["ar", "en"], "MA": ["ar", "fr"],
      ]
    )
    #expect(met.values.reduce(into: Set()) { $0.formUnion($1) } == Set(SamplePeople.languages))
  }

  @Test(
    "names are written in many scripts",
    arguments: [
      ("Latin with diacritics", 0xC0...0x24F), ("Latin for Vietnamese", 0x1EA0...0x1EFF), ("Greek", 0x370...0x3FF),
      ("Cyrillic", 0x400...0x4FF), ("Armenian", 0x530...0x58F), ("Hebrew", 0x590...0x5FF), ("Arabic", 0x600...0x6FF),
      ("Devanagari", 0x900...0x97F), ("Tamil", 0xB80...0xBFF), ("Thai", 0xE00...0xE7F), ("Georgian", 0x10A0...0x10FF),
      ("Hangul", 0xAC00...0xD7AF), ("Ethiopic", 0x1200...0x137F), ("Hiragana", 0x3040...0x309F),
      ("Katakana", 0x30A0...0x30FF), ("Han", 0x4E00...0x9FFF),
    ] as [(String, ClosedRange<UInt32>)]
  )
  func scripts(name: String, range: ClosedRange<UInt32>) {
    let bearers = Self.many.filter { person in person.fullName.unicodeScalars.contains { range.contains($0.value) } }
    #expect(bearers.count >= 50, "\(name)")
  }

  @Test("no name has a space too many or a character that cannot be seen")
  func tidyNames() {
    let faults = Self.many.map(\.fullName).filter { name in
      let words = name.split(separator: " ", omittingEmptySubsequences: false)
      let hidden = name.unicodeScalars.contains {
        $0.properties.generalCategory == .control || $0.properties.generalCategory == .format
      }
      return hidden || words.contains("") || !(1...8).contains(words.count)
    }
    #expect(faults == [])
  }

  private func isDigits(_ text: some StringProtocol) -> Bool {
    text.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }
}
