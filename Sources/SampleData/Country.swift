/// A country that sample people live in: which names are met there, and how its telephone numbers look.
struct Country: Sendable {
  /// Two letters of ISO 3166-1.
  let code: String

  /// The name traditions met there; one that is listed twice is met twice as often.
  let heritages: [Heritage]

  let numbering: Numbering

  /// How a country's sample numbers are made.
  enum Numbering: Sendable {
    /// Calling code, then so many digits, of which the first three are zero.
    case zeros(callingCode: String, digits: Int)

    /// Area code, then 555-0100 to 555-0199.
    case northAmerican(areaCodes: [String])
  }

  /// How many different numbers there are.
  var capacity: Int {
    switch numbering {
    case .zeros(_, let digits): (3..<digits).reduce(1) { product, _ in product * 10 }
    case .northAmerican(let areaCodes): areaCodes.count * 100
    }
  }

  /// One of the traditions.
  func heritage(_ random: inout SplitMix64) -> Heritage {
    random.pick(heritages)
  }

  /// The telephone number of the country's `number`-th person: different for the first ``capacity`` of them.
  ///
  /// Stepping by a prime that does not divide the capacity visits every number once, and neighbours look unlike.
  func phone(number: Int, seed: UInt64) -> String {
    let salt = code.utf8.reduce(seed) { salt, letter in SplitMix64.mix(salt ^ UInt64(letter)) }
    let start = Int(salt % UInt64(capacity))
    let place = (start + number % capacity * 7_919) % capacity
    switch numbering {
    case .zeros(let callingCode, let digits):
      return "+\(callingCode)\(Self.padded(place, to: digits))"
    case .northAmerican(let areaCodes):
      return "+1\(areaCodes[place % areaCodes.count])55501\(Self.padded(place / areaCodes.count, to: 2))"
    }
  }

  private static func padded(_ number: Int, to digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: digits - text.count) + text
  }
}

extension Country {
  /// Every country, one person of each in a round.
  static let all: [Country] = [
    Country(code: "PE", heritages: [.andean, .andean, .spanish], numbering: .zeros(callingCode: "51", digits: 9)),
    Country(
      code: "CL",
      heritages: [.spanish, .spanish, .andean, .german],
      numbering: .zeros(callingCode: "56", digits: 9)
    ),
    Country(code: "CO", heritages: [.spanish], numbering: .zeros(callingCode: "57", digits: 10)),
    Country(code: "MX", heritages: [.spanish], numbering: .zeros(callingCode: "52", digits: 10)),
    Country(
      code: "ES",
      heritages: [.spanish, .spanish, .spanish, .german],
      numbering: .zeros(callingCode: "34", digits: 9)
    ),
    Country(
      code: "BR",
      heritages: [.portuguese, .portuguese, .portuguese, .portuguese, .japanese, .german],
      numbering: .zeros(callingCode: "55", digits: 11)
    ),
    Country(
      code: "US",
      heritages: [.english, .english, .english, .worldwide, .worldwide, .spanish],
      numbering: .northAmerican(areaCodes: northAmericanAreaCodes)
    ),
    Country(code: "JP", heritages: [.japanese], numbering: .zeros(callingCode: "81", digits: 10)),
    Country(code: "EG", heritages: [.arabic], numbering: .zeros(callingCode: "20", digits: 10)),
    Country(code: "SA", heritages: [.arabic], numbering: .zeros(callingCode: "966", digits: 9)),
    Country(code: "AE", heritages: [.arabic, .arabic, .worldwide], numbering: .zeros(callingCode: "971", digits: 9)),
    Country(code: "MA", heritages: [.arabic, .arabic, .french], numbering: .zeros(callingCode: "212", digits: 9)),
  ]

  /// A hundred area codes of the United States.
  private static let northAmericanAreaCodes = [
    "201", "202", "203", "205", "206", "207", "208", "209", "210", "212",
    "213", "214", "215", "216", "217", "218", "219", "224", "225", "228",
    "229", "231", "234", "239", "240", "248", "251", "252", "253", "254",
    "256", "260", "262", "267", "269", "270", "276", "281", "301", "302",
    "303", "304", "305", "307", "308", "309", "310", "312", "313", "314",
    "315", "316", "317", "318", "319", "320", "321", "323", "325", "330",
    "334", "336", "337", "339", "347", "351", "352", "360", "361", "386",
    "401", "402", "404", "405", "406", "407", "408", "409", "410", "412",
    "413", "414", "415", "417", "419", "423", "425", "430", "432", "434",
    "435", "440", "443", "469", "470", "478", "479", "480", "484", "501",
  ]
}
