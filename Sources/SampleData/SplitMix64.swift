/// The SplitMix64 generator (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
///
/// Equal seeds give equal sequences on every platform, which is all that sample data needs. It is predictable: nothing
/// secret may come from it.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The step from one state to the next: 2⁶⁴ divided by the golden ratio, made odd.
  static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// A generator whose whole sequence follows from `seed`; every seed, zero too, is a good one.
  public init(seed: UInt64) {
    self.state = seed
  }

  /// The next 64 bits of the sequence.
  public mutating func next() -> UInt64 {
    state &+= Self.increment
    return Self.mix(state)
  }

  /// Spreads every bit of `value` over the whole result; a bijection.
  static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension SplitMix64 {
  /// A number from 0 to `bound - 1`, by multiplication (Lemire). The bias is below 2⁻⁵⁰ for the small bounds used here,
  /// and the result does not hang on the standard library's own method, which may change between Swift versions.
  mutating func number(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// One element of a table that is not empty.
  mutating func pick<Element>(_ table: [Element]) -> Element {
    table[number(below: table.count)]
  }
}
