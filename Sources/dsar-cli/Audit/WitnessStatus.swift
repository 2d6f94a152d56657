import Audit
import Foundation
import Signing
import StrictJSON

/// What a witness's folder says, for people and for monitoring.
struct WitnessStatus {
  /// What ended the witnessing, if anything did.
  let conflict: WitnessState.Conflict?
  private let folder: String
  private let witness: WitnessKey?
  private let head: Checkpoint?
  private let cosignedAt: UInt64?
  private let isSubmitted: Bool
  private let shorterRounds: Int

  /// Reads a folder.
  init(_ state: WitnessState) throws(Failure) {
    folder = state.folder
    witness = try state.witness()
    conflict = try state.conflict()
    head = try state.checkpoint()?.head
    let cosigned = try state.cosigned()
    let keys = [witness].compactMap { $0 }
    cosignedAt = cosigned.flatMap { (try? $0.cosignatures(by: keys))?.first?.time }
    let submitted = try state.submitted()
    shorterRounds = try state.shorterRounds()
    isSubmitted = head != nil && submitted?.body == head?.text
  }

  var json: JSONValue {
    func text(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
    return .object([
      JSONMember("folder", .string(folder)), JSONMember("witness", text(witness?.text)),
      JSONMember("origin", text(head?.origin)),
      JSONMember("size", head.map { .integer(Int64(clamping: $0.size)) } ?? .null),
      JSONMember("root", text(head?.root.base64)), JSONMember("cosigned_at", text(cosignedTime)),
      JSONMember("submitted", .bool(isSubmitted)), JSONMember("shorter_rounds", .integer(Int64(shorterRounds))),
      JSONMember("conflict", text(conflict?.kind.rawValue)),
    ])
  }

  var pairs: [(String, String)] {
    [
      ("folder", folder), ("witness", witness?.text ?? "(no round yet)"), ("log", head?.origin ?? "(none yet)"),
      ("size", head.map { String($0.size) } ?? "-"), ("root", head?.root.base64 ?? "-"),
      ("cosigned", cosignedTime ?? "-"), ("handed in", isSubmitted ? "yes" : "no"),
      ("shorter", shorterRounds == 0 ? "no" : "in \(shorterRounds) rounds in a row"),
      ("conflict", conflict.map { "\($0.kind.rawValue), nothing is signed any more" } ?? "none"),
    ]
  }

  private var cosignedTime: String? {
    cosignedAt.map { Date(timeIntervalSince1970: Double($0)).formatted(.iso8601) }
  }
}
