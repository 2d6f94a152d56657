import CJansson

extension JSONValue {
  /// Parses exactly one JSON value (RFC 8259), of any kind, that fills the bytes but for white space.
  ///
  /// Refused are, besides what is no JSON: a byte-order mark, bytes that aren't UTF-8, lone surrogates, U+0000, a
  /// name twice in one object (also when spelled with escapes), negative zero, integers beyond 64 bits, fractions
  /// beyond a double, and more than the limits allow. Size, depth, number of members and UTF-8 are checked in one
  /// pass without recursion before Jansson sees the bytes.
  public init(parsing bytes: [UInt8], limits: JSONLimits = .default) throws(JSONError) {
    try Prescan.check(bytes, limits)
    // The pointer is valid for the call; Jansson copies what it keeps.
    var error = json_error_t()
    let flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY
    let root = unsafe bytes.withUnsafeBytes { buffer in
      unsafe json_loadb(buffer.baseAddress, buffer.count, Int(flags), &error)
    }
    guard let root = unsafe root else { throw unsafe JSONError(refusal: error) }
    // The root is ours until the end of this call, and with it every value below it.
    defer { unsafe json_decref(root) }
    self = try unsafe Conversion.value(root)
  }
}

/// What must hold before a recursive parser may see the bytes. Knows strings, brackets and commas only: whether the
/// rest is JSON is Jansson's to say.
private enum Prescan {
  static func check(_ bytes: [UInt8], _ limits: JSONLimits) throws(JSONError) {
    guard bytes.count <= limits.maxBytes else { throw JSONError(.tooLarge) }
    guard !bytes.isEmpty, !bytes.starts(with: [0xEF, 0xBB, 0xBF]) else { throw JSONError(.syntax, at: 0) }
    do {
      _ = try UTF8Span(validating: bytes.span)
    } catch {
      throw JSONError(.notUTF8, at: error.byteOffsets.lowerBound)
    }
    var depth = 0
    var members = 0
    var index = 0
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        index = endOfString(bytes, from: index + 1)
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        depth += 1
        members += 1
        guard depth <= limits.maxDepth else { throw JSONError(.tooDeep, at: index) }
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        depth -= 1
      case UInt8(ascii: ","):
        members += 1
      case UInt8(ascii: "-"):
        guard !isZero(bytes, from: index + 1) else { throw JSONError(.number, at: index) }
      default: break
      }
      guard members <= limits.maxMembers else { throw JSONError(.tooManyMembers, at: index) }
      index += 1
    }
  }

  /// The index of the closing quotation mark, or the last index when there is none.
  private static func endOfString(_ bytes: [UInt8], from start: Int) -> Int {
    var index = start
    while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
      index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    return index
  }

  /// Whether the digits before any exponent are all zero, as in `-0` and `-0.00e7`.
  private static func isZero(_ bytes: [UInt8], from start: Int) -> Bool {
    let mantissa = bytes[start...].prefix { $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= $0 }
    return !mantissa.isEmpty && mantissa.allSatisfy { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "0") }
  }
}

/// From Jansson's values to ours. Recursive, no deeper than the limits that were checked before.
private enum Conversion {
  /// Borrows `value` for the call.
  @unsafe static func value(_ value: UnsafeMutablePointer<json_t>) throws(JSONError) -> JSONValue {
    switch unsafe lethe_json_typeof(value) {
    case JSON_OBJECT:
      var members: [JSONMember] = []
      unsafe members.reserveCapacity(json_object_size(value))
      // Jansson iterates in the order of insertion. Key and value live as long as the object.
      var iterator = unsafe json_object_iter(value)
      while let member = unsafe iterator {
        guard let child = unsafe json_object_iter_value(member) else { throw JSONError(.syntax) }
        let name = unsafe text(json_object_iter_key(member), json_object_iter_key_len(member))
        members.append(JSONMember(name, try unsafe Conversion.value(child)))
        unsafe iterator = json_object_iter_next(value, member)
      }
      return .object(members)
    case JSON_ARRAY:
      let count = unsafe json_array_size(value)
      var elements: [JSONValue] = []
      elements.reserveCapacity(count)
      for index in 0..<count {
        guard let child = unsafe json_array_get(value, index) else { throw JSONError(.syntax) }
        elements.append(try unsafe Conversion.value(child))
      }
      return .array(elements)
    case JSON_STRING:
      return unsafe .string(text(json_string_value(value), json_string_length(value)))
    case JSON_INTEGER:
      return unsafe .integer(Int64(json_integer_value(value)))
    case JSON_REAL:
      let number = unsafe json_real_value(value)
      // A negative number too small for a double has become negative zero.
      guard number.isFinite, !(number.isZero && number.sign == .minus) else { throw JSONError(.number) }
      return .number(number)
    case JSON_TRUE: return .bool(true)
    case JSON_FALSE: return .bool(false)
    default: return .null
    }
  }

  /// Copies `count` bytes of UTF-8, which Jansson has validated.
  @unsafe private static func text(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
    unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  }
}

extension JSONError {
  /// Takes code and position out of Jansson's error; its text quotes the document and is left behind.
  @unsafe fileprivate init(refusal error: json_error_t) {
    let position = Int(error.position)
    let code = unsafe withUnsafePointer(to: error) { unsafe lethe_json_error_code($0) }
    let ours: Code =
      switch json_error_code(UInt32(code)) {
      case json_error_duplicate_key: .duplicateName
      case json_error_invalid_utf8: .notUTF8
      case json_error_numeric_overflow: .number
      case json_error_stack_overflow: .tooDeep
      case json_error_out_of_memory: .tooLarge
      default: .syntax
      }
    self.init(ours, at: position)
  }
}
