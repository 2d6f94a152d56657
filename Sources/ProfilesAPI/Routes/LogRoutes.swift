import Audit
import Custody
import Foundation
import HTTPTypes
import Hummingbird
import Profiles
import Redaction
import Signing
import StrictJSON
import Tokens

/// `/audit/entries`, `/audit/receipts` and `/me/accesses`: the log as it is committed, with what reading it leaves
/// behind in it.
struct LogRoutes {
  let log: LogReading
  let profiles: Profiles
  let gate: Gate

  func add(to router: Router<APIContext>) {
    let log = log
    let profiles = profiles
    router.get(
      "/audit/entries",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        let query = try ListQuery(
          call.request,
          allowed: ["subject", "actor", "action", "from", "to", "limit", "cursor", "show"])
        let filter = try Self.filter(query)
        let showsValues = try query.oneOf("show", ["values"]) != nil
        if showsValues { try Authenticator.require([.profilesRead], of: call.principal) }
        let cursor = PositionCursor(.entries, tenant: call.context.tenant.uuid, conditions: Self.text(of: query))
        let page = try await log.page(
          filter, before: try query.value("cursor") { Self.sequence($0, cursor) }, limit: try query.limit(),
          codes: showsValues ? ["show": "values"] : [:], call.context)
        let values = showsValues ? try await Self.values(for: page, profiles, call.context) : nil
        return try .json(
          .object([
            JSONMember("items", .array(page.entries.map { $0.json(page.shown(values, with: $0)) })),
            member("next", page.next.map { cursor.text($0.bigEndianBytes) }),
          ]))
      })
    router.get(
      "/audit/entries/{seq}",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        let entry = try await log.entry(try call.number("seq"), call.context)
        return try .json(entry.json([member("entry", StrictBase64.encode(entry.bytes, .standard))]))
      })
    router.get(
      "/audit/receipts/{seq}",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        let receipt = try await log.receipt(try call.number("seq"), call.context)
        return StaticFile(Array(receipt.text.utf8), .text, .changes).response(to: call.request)
      })
    router.get(
      "/me/accesses",
      use: gate.admitting(.profilesRead, purpose: .selfService) { call in
        let query = try ListQuery(call.request, allowed: ["limit", "cursor"])
        let limit = try query.limit()
        let subject = try await profiles.ownSubject(Personal(call.principal.subject), call.context)
        let cursor = PositionCursor(
          .accesses, tenant: call.context.tenant.uuid, conditions: subject.description)
        let page = try await log.accesses(
          of: subject, before: try query.value("cursor") { Self.sequence($0, cursor) }, limit: limit, call.context)
        return try .json(
          .object([
            JSONMember("items", .array(page.accesses.map(\.json))),
            member("next", page.next.map { cursor.text($0.bigEndianBytes) }),
          ]))
      })
  }

  // MARK: Conditions

  private static let conditions = ["subject", "actor", "action", "from", "to"]

  private static func filter(_ query: ListQuery) throws -> LogFilter {
    var filter = LogFilter()
    filter.subject = try query.value("subject", id).map(SubjectID.init)
    filter.actor = try query.value("actor", id).map(ActorID.init)
    filter.action = try query.value("action") { LogFilter.Action($0) }
    filter.from = try query.value("from", DateTime.microseconds)
    filter.until = try query.value("to", DateTime.microseconds)
    if let from = filter.from, let until = filter.until, until < from {
      throw Problem.invalid([FieldError(pointer: "?to", code: "range")])
    }
    return filter
  }

  /// The conditions of a list, by which its cursors are told from another one's.
  private static func text(of query: ListQuery) -> String {
    conditions.map { "\($0)=\(query.text($0) ?? "")" }.joined(separator: "\n")
  }

  private static func sequence(_ text: String, _ cursor: PositionCursor) -> Int64? {
    cursor.position(text).flatMap { Int64(bigEndianBytes: $0) }
  }

  private static func id(_ text: String) -> UUID? {
    text.utf8.count == 36 ? UUID(uuidString: text) : nil
  }

  // MARK: Values

  /// Masked live values of the persons on a page, of the fields that its entries name.
  private static func values(for page: LogPage, _ profiles: Profiles, _ context: AccessContext) async throws
    -> [SubjectID: [String: String]]
  {
    var wanted: [SubjectID: Set<String>] = [:]
    for entry in page.entries {
      guard let subject = entry.subject, let record = entry.record, page.subjects[subject] == .live else { continue }
      wanted[subject, default: []].formUnion(record.fields)
    }
    return try await profiles.masked(wanted, context)
  }
}

extension LogPage {
  /// What one item of the page shows of its person's live values: the masks, or that they are erased.
  fileprivate func shown(_ values: [SubjectID: [String: String]]?, with entry: LogEntryView) -> [JSONMember] {
    guard let values, let subject = entry.subject, let state = subjects[subject] else { return [] }
    guard state == .live, let own = values[subject] else { return [JSONMember("erased", .bool(true))] }
    let fields = (entry.record?.fields ?? []).compactMap { name in own[name].map { JSONMember(name, .string($0)) } }
    return fields.isEmpty ? [] : [JSONMember("values", .object(fields))]
  }
}
