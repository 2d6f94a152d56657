import ArgumentParser
import Foundation

/// An id of the service: a UUID of 36 characters, in lower case.
struct ResourceID: ExpressibleByArgument, Sendable, Hashable, CustomStringConvertible {
  /// The text as it stands in paths.
  let text: String

  /// Takes exactly 36 characters of a UUID; nil otherwise.
  init?(argument: String) {
    guard argument.utf8.count == 36, let uuid = UUID(uuidString: argument) else { return nil }
    text = uuid.uuidString.lowercased()
  }

  /// The same as ``text``.
  var description: String { text }
}
