/// People who do not exist, always the same ones for the same seed.
///
/// ```swift
/// for person in SamplePeople(count: 3) { … }
/// ```
///
/// A person follows from the seed and the position alone, so a longer sequence begins with the people of a shorter one,
/// and any position can be asked for without making those before it.
///
/// - Every run of twelve people, counted from the first, has one of each country, in an order that the seed decides.
/// - E-mail addresses differ within one seed, whatever the count: the position is part of them.
/// - Telephone numbers differ within one seed up to ``distinctPhones`` people and repeat after that.
/// - Two seeds share addresses and numbers: take one seed for each data set.
///
/// No telephone number rings anybody. Those of the United States come from 555-0100 to 555-0199, which every area code
/// sets aside for fiction. The other countries have no such range; there the number has the right length but begins
/// with three zeros after the country code, as no number of theirs does: zero is the trunk prefix or not given out.
public struct SamplePeople: RandomAccessCollection, Sendable {
  /// How many people there are.
  public let count: Int

  /// The number that decides who they are.
  public let seed: UInt64

  /// `count` people; a negative count is none.
  public init(count: Int, seed: UInt64 = 1) {
    self.count = Swift.max(0, count)
    self.seed = seed
  }

  /// The countries that people live in, as two letters of ISO 3166-1.
  public static var countries: [String] { Country.all.map(\.code) }

  /// The languages that people read, as two letters of ISO 639-1.
  public static var languages: [String] { ["en", "es", "fr", "ar", "de", "pt", "ja"] }

  /// How many people, from the first on, have telephone numbers that all differ.
  public static var distinctPhones: Int {
    Country.all.count * (Country.all.map(\.capacity).min() ?? 0)
  }

  /// The position of the first person.
  public var startIndex: Int { 0 }

  /// The position after the last person.
  public var endIndex: Int { count }

  /// The person at a position from 0 to `count - 1`; any other position ends the program.
  public subscript(position: Int) -> SamplePerson {
    precondition(indices.contains(position), "position out of range")
    let round = position / Country.all.count
    let country = Country.all[order(ofRound: round)[position % Country.all.count]]
    var random = generator(stream: 2, number: position)
    let heritage = country.heritage(&random)
    let name = heritage.name(&random)
    return SamplePerson(
      fullName: name.written,
      email: "\(name.local).\(position)@\(random.pick(["example.com", "example.org", "example.net"]))",
      phone: country.phone(number: round, seed: seed),
      country: country.code,
      language: heritage.language
    )
  }

  /// The order that the countries come in within a round: a shuffle (Fisher and Yates) of its own.
  private func order(ofRound round: Int) -> [Int] {
    var random = generator(stream: 1, number: round)
    var order = Array(Country.all.indices)
    for last in stride(from: order.count - 1, to: 0, by: -1) {
      order.swapAt(last, random.number(below: last + 1))
    }
    return order
  }

  /// A generator that follows from the seed, what it is for, and a number.
  private func generator(stream: UInt64, number: Int) -> SplitMix64 {
    let start = SplitMix64.mix(seed &+ stream &* SplitMix64.increment)
    return SplitMix64(seed: SplitMix64.mix(start &+ UInt64(number) &* SplitMix64.increment))
  }
}
