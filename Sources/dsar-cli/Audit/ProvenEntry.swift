import Audit
import Foundation
import Signing
import StrictJSON

/// One entry of a log with the proof that it is there.
struct ProvenEntry {
  /// The exact bytes that are hashed.
  let bytes: [UInt8]
  /// The proof, as it was downloaded or read.
  let receipt: Receipt
  /// What the bytes say.
  let entry: Entry
  /// The checkpoint that the proof leads to.
  let checkpoint: Checkpoint

  /// The longest receipt that is read, in bytes.
  static let maximumReceiptBytes = SignedNote.maximumBytes + 8192

  /// Verifies that an entry is under a checkpoint that one of `keys` signed.
  ///
  /// - Parameter name: what an error names the proof by.
  /// - Throws: `Failure` with `.notValid`.
  init(bytes: [UInt8], receipt text: [UInt8], keys: [NoteKey], named name: String) throws(Failure) {
    do {
      let receipt = try Receipt(parsing: String(decoding: text, as: UTF8.self))
      checkpoint = try receipt.verify(entry: bytes, keys: keys)
      entry = try Entry(parsing: bytes)
      self.receipt = receipt
      self.bytes = bytes
    } catch { throw Failure(.notValid, "\(name): \(error)") }
  }

  /// Downloads an entry and its receipt and verifies both.
  ///
  /// - Throws: `Failure`: the server's refusal, for example of an entry that no checkpoint covers yet; `.notValid` when
  ///   the bytes, the hash and the proof don't agree, or the entry is another one.
  static func download(_ sequence: UInt64, _ client: ServiceClient, keys: [NoteKey]) async throws -> ProvenEntry {
    let document = try await client.json("/audit/entries/\(sequence)")
    let text = try await client.bytes("/audit/receipts/\(sequence)", maximumBytes: maximumReceiptBytes)
    guard let bytes = document["entry"]?.string.flatMap({ StrictBase64.decode($0, .standard) }) else {
      throw Failure(.refused, "the server's entry can't be read")
    }
    let name = "entry \(sequence)"
    guard document["leaf_hash"]?.string == MerkleTree.leafHash(bytes).base64 else {
      throw Failure(.notValid, "\(name): its bytes don't have the hash that the server shows")
    }
    let proven = try ProvenEntry(bytes: bytes, receipt: text, keys: keys, named: name)
    guard proven.entry.sequence == sequence, proven.entry.origin.tenant == client.session.claims.tenant else {
      throw Failure(.notValid, "\(name): the server answered with another log's entry, or another one")
    }
    return proven
  }

  /// The keys to verify with: those given, or else the server's own, with a warning.
  static func keys(_ given: [NoteKey], _ client: ServiceClient) async throws -> [NoteKey] {
    guard given.isEmpty else { return given }
    Console.standard.note(warning)
    return try await RemoteLog(client: client).keys()
  }

  /// What is said when the keys came from where the entry came from.
  static let warning =
    "WARNING: verified with the key that the server names itself. That proves that entry and checkpoint belong "
    + "together, not who wrote them. Give the key that you have from elsewhere with --key."

  /// The record in the entry's body; nil for a body that is none.
  var record: AuditRecord? { try? AuditRecord(body: entry.body) }

  /// The entry and what it was verified against, out of the verified bytes only.
  var pairs: [(String, String)] {
    var pairs = [
      ("log", entry.origin.text), ("entry", String(entry.sequence)), ("time", LogTime.text(entry.time)),
    ]
    func add(_ name: String, _ text: String?) {
      if let text, !text.isEmpty { pairs.append((name, text)) }
    }
    if let record {
      add("action", record.action.rawValue)
      add("outcome", record.outcome)
      add("actor", record.actor?.uuidString.lowercased())
      add("subject", record.subject?.uuidString.lowercased())
      add("subjects", record.subjectCount.map(String.init))
      add("purpose", record.purpose)
      add("request", record.requestID?.uuidString.lowercased())
      add("trace", record.traceID)
      add("fields", record.fields.joined(separator: " "))
      add("codes", record.codes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
      add("policy", record.policy.map { "\($0.id) \($0.version)" })
    } else {
      add("body", "(not a record)")
    }
    pairs += [
      ("leaf hash", entry.leafHash.base64),
      ("checkpoint", "\(checkpoint.size) entries, root \(checkpoint.root.base64)"),
    ]
    return pairs
  }

  /// The same as JSON, with the exact bytes in base64 and the body as it stands in them.
  func json(authorship: Bool) -> JSONValue {
    .object([
      JSONMember("valid", .bool(true)), JSONMember("authorship", authorship ? "given-key" : "unproved"),
      JSONMember("origin", .string(entry.origin.text)), JSONMember("seq", .integer(Int64(clamping: entry.sequence))),
      JSONMember("time", .string(LogTime.text(entry.time))),
      JSONMember("record", (try? JSONValue(parsing: entry.body)) ?? .null),
      JSONMember("leaf_hash", .string(entry.leafHash.base64)),
      JSONMember("entry", .string(StrictBase64.encode(bytes, .standard))),
      JSONMember("checkpoint_size", .integer(Int64(clamping: checkpoint.size))),
      JSONMember("checkpoint_root", .string(checkpoint.root.base64)),
    ])
  }
}

/// The time of an entry as people read it: RFC 3339 in UTC, to the microsecond.
enum LogTime {
  /// - Parameter microseconds: since 1970.
  static func text(_ microseconds: Int64) -> String {
    let fraction = String(microseconds % 1_000_000)
    return Date(timeIntervalSince1970: Double(microseconds / 1_000_000)).formatted(.iso8601).dropLast()
      + "." + String(repeating: "0", count: 6 - fraction.count) + fraction + "Z"
  }
}
