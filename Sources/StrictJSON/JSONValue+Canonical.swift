extension JSONValue {
  /// The largest integer that every JSON reader keeps exactly, 2⁵³ − 1 (RFC 7493 §2.2).
  public static let greatestExactInteger: Int64 = 9_007_199_254_740_991

  /// The one byte string for this value by the JSON Canonicalization Scheme (RFC 8785): names sorted by UTF-16 code
  /// units, no white space, the shortest escapes.
  ///
  /// Only whole numbers have a canonical form here, because only those are put into what is hashed or signed.
  /// - Throws: `.notCanonical` for a fraction and for an integer beyond ±(2⁵³ − 1), which a reader with doubles would
  ///   change; `.duplicateName`; `.tooDeep` past 256 levels.
  public func canonicalBytes() throws(JSONError) -> [UInt8] {
    var output: [UInt8] = []
    try appendCanonical(to: &output, depth: 0)
    return output
  }

  private func appendCanonical(to output: inout [UInt8], depth: Int) throws(JSONError) {
    guard depth <= JSONLimits.greatestDepth else { throw JSONError(.tooDeep) }
    switch self {
    case .null: output += "null".utf8
    case .bool(let value): output += (value ? "true" : "false").utf8
    case .integer(let value):
      guard value.magnitude <= Self.greatestExactInteger.magnitude else { throw JSONError(.notCanonical) }
      output += String(value).utf8
    case .number(let value):
      guard let whole = Int64(exactly: value) else { throw JSONError(.notCanonical) }
      try JSONValue.integer(whole).appendCanonical(to: &output, depth: depth)
    case .string(let value): JSONText.append(value, to: &output, for: .machines)
    case .array(let elements):
      output.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        try element.appendCanonical(to: &output, depth: depth + 1)
      }
      output.append(UInt8(ascii: "]"))
    case .object(let members):
      let sorted = members.sorted { $0.name.utf16.lexicographicallyPrecedes($1.name.utf16) }
      output.append(UInt8(ascii: "{"))
      for (index, member) in sorted.enumerated() {
        if index > 0 {
          guard !sorted[index - 1].name.utf8.elementsEqual(member.name.utf8) else { throw JSONError(.duplicateName) }
          output.append(UInt8(ascii: ","))
        }
        JSONText.append(member.name, to: &output, for: .machines)
        output.append(UInt8(ascii: ":"))
        try member.value.appendCanonical(to: &output, depth: depth + 1)
      }
      output.append(UInt8(ascii: "}"))
    }
  }
}
