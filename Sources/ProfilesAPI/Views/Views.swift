import Custody
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Profiles
import Redaction
import StrictJSON
import SubjectRights

/// A value as JSON members; nil is `null`.
func member(_ name: String, _ value: String?) -> JSONMember { JSONMember(name, value.map(JSONValue.string) ?? .null) }

extension UUID {
  /// Lower-case text, as every id is shown.
  var text: String { uuidString.lowercased() }
}

extension Profile {
  /// The profile as its reader gets it: here its values are meant to leave, the read is in the log.
  var json: JSONValue {
    .object([
      member("id", id.text), member("status", status.rawValue), member("full_name", fullName.disclosed()),
      member("email", email?.disclosed()), member("phone", phone?.disclosed()),
      member("identity", identity?.disclosed()), member("country", country), member("language", language),
      JSONMember("version", .integer(version)), member("created_at", Timestamp.text(createdAt)),
      member("updated_at", Timestamp.text(updatedAt)),
    ])
  }

  /// The profile as whoever may not read it gets it: nothing personal.
  var outline: JSONValue {
    .object([
      member("id", id.text), member("status", status.rawValue), JSONMember("version", .integer(version)),
    ])
  }

  /// The strong entity tag: the version.
  var entityTag: String { "\"\(version)\"" }
}

extension SubjectRequest {
  /// The request as officers see it; ids, states and times.
  func json(erasure: ErasureProgress? = nil, note: String? = nil) -> JSONValue {
    var members = [
      member("id", id.text), member("type", type.rawValue), member("state", state.rawValue),
      member("profile_id", profile.text), member("subject_id", subject.description),
      member("jurisdiction", jurisdiction), member("verification_method", verificationMethod?.rawValue),
      member("opened_by", openedBy.description), member("verified_by", verifiedBy?.description),
      member("approved_by", approvedBy?.description), member("executed_by", executedBy?.description),
      member("opened_at", Timestamp.text(openedAt)), member("verified_at", verifiedAt.map(Timestamp.text)),
      member("approved_at", approvedAt.map(Timestamp.text)), member("executed_at", executedAt.map(Timestamp.text)),
      member("completed_at", completedAt.map(Timestamp.text)), JSONMember("version", .integer(version)),
    ]
    if let note { members.append(member("note", note)) }
    if let erasure {
      members.append(
        JSONMember(
          "erasure",
          .object([
            member("step", erasure.step.rawValue), member("erased_at", erasure.destroyedAt.map(Timestamp.text)),
            JSONMember("log_sequence", erasure.completedSequence.map(JSONValue.integer) ?? .null),
            JSONMember("key_epoch", erasure.keyEpoch.map { .integer(Int64($0)) } ?? .null),
            member("key_backups_dead_by", erasure.keyBackupsDeadBy),
            member("certificate", erasure.certificate?.rawValue),
          ])))
    }
    return .object(members)
  }
}

extension Response {
  /// An answer with a JSON body.
  static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) throws -> Response
  {
    bytes(try value.canonicalBytes(), type: "application/json", status: status, headers: headers)
  }

  /// An answer with those bytes.
  static func bytes(
    _ bytes: [UInt8], type: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
  ) -> Response {
    var headers = headers
    headers[.contentType] = type
    return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }
}
