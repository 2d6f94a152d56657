extension JSONValue {
  /// The value as JSON for people: two spaces a level, members in their own order, no line feed at the end.
  ///
  /// Whatever could change the look of a terminal (control and direction characters) is escaped. A number that JSON
  /// can't express, such as infinity, is printed as `null`.
  public func prettyText() -> String {
    var output: [UInt8] = []
    appendPretty(to: &output, level: 0)
    return String(decoding: output, as: UTF8.self)
  }

  private func appendPretty(to output: inout [UInt8], level: Int) {
    switch self {
    case .null: output += "null".utf8
    case .bool(let value): output += (value ? "true" : "false").utf8
    case .integer(let value): output += String(value).utf8
    case .number(let value): output += (value.isFinite ? value.description : "null").utf8
    case .string(let value): JSONText.append(value, to: &output, for: .people)
    case .array([]): output += "[]".utf8
    case .object([]): output += "{}".utf8
    case .array(let elements):
      output.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        Self.breakLine(&output, level: level + 1, comma: index > 0)
        element.appendPretty(to: &output, level: level + 1)
      }
      Self.breakLine(&output, level: level, comma: false)
      output.append(UInt8(ascii: "]"))
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        Self.breakLine(&output, level: level + 1, comma: index > 0)
        JSONText.append(member.name, to: &output, for: .people)
        output += ": ".utf8
        member.value.appendPretty(to: &output, level: level + 1)
      }
      Self.breakLine(&output, level: level, comma: false)
      output.append(UInt8(ascii: "}"))
    }
  }

  private static func breakLine(_ output: inout [UInt8], level: Int, comma: Bool) {
    if comma { output.append(UInt8(ascii: ",")) }
    output.append(UInt8(ascii: "\n"))
    output += repeatElement(UInt8(ascii: " "), count: level * 2)
  }
}
