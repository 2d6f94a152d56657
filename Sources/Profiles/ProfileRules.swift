import Foundation
import StrictJSON
import Vault

/// What the fields of a profile may be.
public enum ProfileRules {
  /// In characters.
  public static let maximumNameLength = 140
  /// The languages that the platform writes to people in.
  public static let languages = ["en", "es", "fr", "ar", "de", "pt", "ja"]
  /// ISO 3166-1 alpha-2, as the system's locale data lists them.
  public static let countries: Set<String> = Set(
    Locale.Region.isoRegions.map(\.identifier).filter {
      $0.count == 2 && $0.allSatisfy { $0.isASCII && $0.isUppercase }
    })

  static func email(_ reader: ObjectReader, _ text: String?) -> String? {
    guard let text else { return nil }
    guard let normalised = Normalisation.email(text) else {
      reader.fault("email", "format")
      return nil
    }
    return normalised
  }

  /// The identity service's `sub`: visible ASCII, like the one in a token.
  static func identity(_ reader: ObjectReader, _ text: String?) -> String? {
    guard let text else { return nil }
    guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      reader.fault("identity", "format")
      return nil
    }
    return text
  }

  static func phone(_ reader: ObjectReader, _ text: String?) -> String? {
    guard let text else { return nil }
    guard let normalised = Normalisation.phone(text) else {
      reader.fault("phone", "format")
      return nil
    }
    return normalised
  }

  static func country(_ reader: ObjectReader, _ text: String?) -> String? {
    guard let text else { return nil }
    guard countries.contains(text) else {
      reader.fault("country", "not_allowed")
      return nil
    }
    return text
  }
}
