import Foundation
import Profiles

/// People that nobody is: each with a name, an address and a number of its own.
enum SyntheticPerson {
  /// The draft of a person that was never made before.
  static func draft() throws -> ProfileDraft {
    let name = UUID().uuidString.lowercased()
    var generator = SystemRandomNumberGenerator()
    // +999 is a country code that is given to nobody.
    let number = UInt64.random(in: 100_000_000_000...999_999_999_999, using: &generator)
    return try ProfileDraft(
      fullName: "Avery Example \(name.prefix(4))", email: "\(name.prefix(24))@example.com", phone: "+999\(number)",
      identity: nil, country: "PT", language: "pt")
  }
}
