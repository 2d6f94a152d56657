internal import Foundation

/// One JSON object in canonical form (RFC 8785), written member by member: for names in order, and for strings of which
/// nothing has to be escaped. Absent members are left out.
struct CanonicalLine {
  private var written: [UInt8] = [UInt8(ascii: "{")]

  init() { written.reserveCapacity(384) }

  /// The object as it is now.
  var bytes: [UInt8] { written + [UInt8(ascii: "}")] }

  mutating func add(_ name: String, _ text: String?) {
    guard let text else { return }
    begin(name)
    quote(text)
  }

  mutating func add(_ name: String, _ id: UUID?) {
    guard let id else { return }
    begin(name)
    written.append(UInt8(ascii: "\""))
    append(id)
    written.append(UInt8(ascii: "\""))
  }

  mutating func add(_ name: String, _ number: Int?) {
    guard let number else { return }
    begin(name)
    written += String(number).utf8
  }

  /// An array; nothing for an empty one.
  mutating func add(_ name: String, _ texts: [String]) {
    guard !texts.isEmpty else { return }
    begin(name)
    written.append(UInt8(ascii: "["))
    for (index, text) in texts.enumerated() {
      if index > 0 { written.append(UInt8(ascii: ",")) }
      quote(text)
    }
    written.append(UInt8(ascii: "]"))
  }

  mutating func add(_ name: String, _ object: [String: String]?) {
    guard let object else { return }
    begin(name)
    var inner = CanonicalLine()
    for (name, text) in object.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      inner.add(name, text)
    }
    written += inner.bytes
  }

  private mutating func begin(_ name: String) {
    if written.count > 1 { written.append(UInt8(ascii: ",")) }
    quote(name)
    written.append(UInt8(ascii: ":"))
  }

  private mutating func quote(_ text: String) {
    written.append(UInt8(ascii: "\""))
    written += text.utf8
    written.append(UInt8(ascii: "\""))
  }

  /// Lower case, with hyphens behind the bytes 4, 6, 8 and 10 (RFC 9562, section 4).
  private mutating func append(_ id: UUID) {
    let raw = id.uuid
    let bytes: [UInt8] = [
      raw.0, raw.1, raw.2, raw.3, raw.4, raw.5, raw.6, raw.7, raw.8, raw.9, raw.10, raw.11, raw.12, raw.13, raw.14,
      raw.15,
    ]
    for (index, byte) in bytes.enumerated() {
      if index == 4 || index == 6 || index == 8 || index == 10 { written.append(UInt8(ascii: "-")) }
      written.append(Self.digits[Int(byte >> 4)])
      written.append(Self.digits[Int(byte & 15)])
    }
  }

  private static let digits = Array("0123456789abcdef".utf8)
}
