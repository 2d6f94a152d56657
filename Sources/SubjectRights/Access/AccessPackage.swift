import Custody
import Foundation
import Profiles
import Redaction
import Signing
import StrictJSON

/// What answers an access request: everything held about the person, as JSON and CSV, with a manifest of SHA-256
/// sums. One JSON document, so that it can be taken apart by anything.
struct AccessPackage {
  /// One file of the package.
  struct File {
    let name: String
    let mediaType: String
    let content: String
  }

  let request: UUID
  let createdAt: Int64
  let files: [File]

  /// Puts together what is held: the profile, the requests, and who touched the data, by time, purpose and action;
  /// not by whom, which would be another person's data.
  init(
    request: SubjectRequest, profile: Profile, requests: [SubjectRequest], notes: [UUID: String], touches: [Touch],
    at now: Int64
  ) {
    self.request = request.id
    createdAt = now
    let profileMembers = Self.members(of: profile)
    files = [
      File(
        name: "profile.json", mediaType: "application/json",
        content: JSONValue.object(profileMembers.map { JSONMember($0.0, $0.1.map(JSONValue.string) ?? .null) })
          .prettyText()),
      File(
        name: "profile.csv", mediaType: "text/csv",
        content: CSVText.table(header: ["field", "value"], rows: profileMembers.map { [$0.0, $0.1 ?? ""] })),
      File(
        name: "requests.json", mediaType: "application/json",
        content: JSONValue.array(requests.map { Self.json($0, note: notes[$0.id]) }).prettyText()),
      File(
        name: "accesses.json", mediaType: "application/json",
        content: JSONValue.array(touches.map(Self.json)).prettyText()),
      File(
        name: "accesses.csv", mediaType: "text/csv",
        content: CSVText.table(
          header: ["time", "action", "purpose", "outcome", "fields"],
          rows: touches.map {
            [
              Timestamp.text($0.time), $0.action, $0.purpose ?? "", $0.outcome, $0.fields.joined(separator: " "),
            ]
          })),
    ]
  }

  /// The document's bytes.
  func bytes() throws -> [UInt8] {
    let manifest = files.map { file in
      JSONValue.object([
        JSONMember("name", .string(file.name)), JSONMember("media_type", .string(file.mediaType)),
        JSONMember("bytes", .integer(Int64(file.content.utf8.count))),
        JSONMember("sha256", .string(SHA256Digest.hash(Array(file.content.utf8)).hex)),
      ])
    }
    let contents = files.map { JSONMember($0.name, .string($0.content)) }
    return try JSONValue.object([
      JSONMember("schema", .string("access-package/v1")),
      JSONMember("request_id", .string(request.uuidString.lowercased())),
      JSONMember("created_at", .string(Timestamp.text(createdAt))), JSONMember("manifest", .array(manifest)),
      JSONMember("files", .object(contents)),
    ]).canonicalBytes()
  }

  private static func members(of profile: Profile) -> [(String, String?)] {
    // The package is the person's own copy: here the values are meant to leave.
    [
      ("id", profile.id.uuidString.lowercased()), ("status", profile.status.rawValue),
      ("full_name", profile.fullName.disclosed()), ("email", profile.email?.disclosed()),
      ("phone", profile.phone?.disclosed()), ("identity", profile.identity?.disclosed()),
      ("country", profile.country), ("language", profile.language),
      ("created_at", Timestamp.text(profile.createdAt)), ("updated_at", Timestamp.text(profile.updatedAt)),
    ]
  }

  private static func json(_ request: SubjectRequest, note: String?) -> JSONValue {
    .object([
      JSONMember("id", .string(request.id.uuidString.lowercased())), JSONMember("type", .string(request.type.rawValue)),
      JSONMember("state", .string(request.state.rawValue)),
      JSONMember("opened_at", .string(Timestamp.text(request.openedAt))),
      JSONMember("jurisdiction", request.jurisdiction.map(JSONValue.string) ?? .null),
      JSONMember("note", note.map(JSONValue.string) ?? .null),
    ])
  }

  private static func json(_ touch: Touch) -> JSONValue {
    .object([
      JSONMember("time", .string(Timestamp.text(touch.time))), JSONMember("action", .string(touch.action)),
      JSONMember("purpose", touch.purpose.map(JSONValue.string) ?? .null),
      JSONMember("outcome", .string(touch.outcome)),
      JSONMember("fields", .array(touch.fields.map(JSONValue.string))),
    ])
  }
}
