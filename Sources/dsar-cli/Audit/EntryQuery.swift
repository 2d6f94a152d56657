import ArgumentParser
import Foundation
import StrictJSON

/// What a listing of the log asks for.
struct EntryQuery: Sendable {
  /// The most entries that the service answers with at once.
  static let page = 200

  var subject: ResourceID?
  var actor: ResourceID?
  var action: LogActionName?
  var from: LogMoment?
  var to: LogMoment?
  /// Whether masked live values are asked for, which is a read of personal data of its own.
  var showsValues = false

  /// Asks, page by page, until there are `limit` entries or no more.
  ///
  /// - Returns: the entries, newest first, and whether there are more.
  func entries(_ client: ServiceClient, limit: Int) async throws -> (items: [JSONValue], isMore: Bool) {
    var items: [JSONValue] = []
    var next: String?
    repeat {
      // A page may hold fewer entries than were asked for, or none, and still not be the last.
      let target = target(limit: min(Self.page, limit - items.count), cursor: next)
      let page = try await client.json(target)
      guard let found = page["items"]?.array else { throw Failure(.refused, "the server's list can't be read") }
      items += found
      let cursor = page["next"]?.string
      guard cursor == nil || cursor != next else { throw Failure(.refused, "the server's list doesn't go on") }
      next = cursor
    } while items.count < limit && next != nil
    return (Array(items.prefix(limit)), next != nil || items.count > limit)
  }

  /// The path and query of one page.
  func target(limit: Int, cursor: String?) -> String {
    var query = "limit=\(limit)"
    if let subject { query += "&subject=\(subject)" }
    if let actor { query += "&actor=\(actor)" }
    if let action { query += "&action=\(action.text)" }
    // Of a moment's characters only the plus sign means something else in a query.
    if let from { query += "&from=" + from.start.replacing("+", with: "%2B") }
    if let to { query += "&to=" + to.end.replacing("+", with: "%2B") }
    if showsValues { query += "&show=values" }
    // A cursor is base64url and needs no encoding.
    return "/audit/entries?" + query + (cursor.map { "&cursor=\($0)" } ?? "")
  }
}

/// An action as a filter: `personal_data.read`, or a family of them, `personal_data.*`.
struct LogActionName: ExpressibleByArgument, Sendable, Equatable {
  /// The text as it stands in the query.
  let text: String

  /// Takes lower-case words joined by dots, of which the last may be `*`.
  init?(argument: String) {
    let words = argument.split(separator: ".", omittingEmptySubsequences: false)
    func isWord(_ word: Substring) -> Bool {
      !word.isEmpty && word.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
    }
    let named = words.last == "*" ? words.dropLast() : words[...]
    guard argument.utf8.count <= 66, !named.isEmpty, named.allSatisfy(isWord) else { return nil }
    text = argument
  }
}
