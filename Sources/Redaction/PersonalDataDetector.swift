/// The last line of defence before a log: finds what looks like personal data or a credential in any text, and puts a
/// word for its kind in its place.
///
/// | Found | Replaced by |
/// |---|---|
/// | e-mail addresses, also with `%40`, quoted or not in ASCII | `‹email›` |
/// | phone numbers that begin with `+`, `%2B` or `00` and have 7 to 15 digits | `‹phone›` |
/// | JSON Web Tokens (`eyJ….….…`), what follows `Bearer`, `DPoP` and `Basic` | `‹token›` |
/// | PEM private keys, to their end or that of the text | `‹key›` |
/// | passwords in URLs (`postgres://user:…@`) and after `password=` | `‹password›` |
///
/// Timestamps, UUIDs, hashes and plain numbers stay. It rather hides too much than too little, and yet a name or a
/// national phone number can't be told from other words: values known to be personal are kept in ``Personal``.
///
/// One pass over the bytes, in time proportional to their number whatever they are.
public struct PersonalDataDetector: Sendable {
  /// A detector; it has no settings.
  public init() {}

  /// The text with everything found replaced.
  public func masked(_ text: String) -> String {
    var scanner = Scanner(Array(text.utf8))
    return scanner.run()
  }
}

/// Copies input to output and replaces as it goes. Each failed attempt either reads a bounded number of bytes or
/// remembers how far it read, so that no later attempt reads the same bytes in vain.
private struct Scanner {
  private let input: [UInt8]
  private var index = 0
  private var output: [UInt8] = []
  /// Where the output since the last replacement begins: from there on it equals the input before `index`.
  private var floor = 0
  /// The password of the URL that is being copied.
  private var password: Range<Int>?
  /// No token begins before this index.
  private var noTokenBefore = 0
  /// No URL with a password begins before this index.
  private var noPasswordBefore = 0

  init(_ input: [UInt8]) {
    self.input = input
    output.reserveCapacity(input.count)
  }

  mutating func run() -> String {
    while index < input.count {
      if let password, password.lowerBound == index {
        replace(upTo: password.upperBound, by: "‹password›")
      } else if !replaceHere() {
        output.append(input[index])
        index += 1
      }
    }
    return String(decoding: output, as: UTF8.self)
  }

  /// Tries what can begin with the byte at hand.
  private mutating func replaceHere() -> Bool {
    switch input[index] {
    case UInt8(ascii: "-"): return replacePrivateKey()
    case UInt8(ascii: "e"): return replaceToken()
    case UInt8(ascii: "b"), UInt8(ascii: "B"): return replaceCredential("bearer") || replaceCredential("basic")
    case UInt8(ascii: "d"), UInt8(ascii: "D"): return replaceCredential("dpop")
    case UInt8(ascii: "p"), UInt8(ascii: "P"): return replaceAssignedPassword()
    case UInt8(ascii: ":"):
      findURLPassword()
      return false
    case UInt8(ascii: "@"): return replaceAddress(domainAt: index + 1)
    case UInt8(ascii: "%"):
      if has("%40", at: index) { return replaceAddress(domainAt: index + 3) }
      if has("%2b", at: index) { return replacePhone(digitsAt: index + 3, shortest: 7) }
      return false
    case UInt8(ascii: "+"): return replacePhone(digitsAt: index + 1, shortest: 7)
    case UInt8(ascii: "0"):
      guard has("00", at: index), let third = byte(index + 2), (0x31...0x39).contains(third) else { return false }
      return replacePhone(digitsAt: index, shortest: 9)
    default: return false
    }
  }

  private mutating func replace(upTo end: Int, by word: String) {
    output += word.utf8
    index = end
    floor = output.count
  }

  // MARK: Keys

  /// `-----BEGIN … PRIVATE KEY-----` up to the end of its `-----END …-----`, or of the text when it was cut off.
  private mutating func replacePrivateKey() -> Bool {
    guard has("-----begin ", at: index) else { return false }
    let label = index + 11
    guard let labelEnd = find("-----", from: label, to: min(label + 64, input.count)),
      labelEnd >= label + 11, has("private key", at: labelEnd - 11)
    else { return false }
    var end = input.count
    if let footer = find("-----end", from: labelEnd, to: input.count) {
      end = find("-----", from: footer + 8, to: min(footer + 80, input.count)).map { $0 + 5 } ?? input.count
    }
    replace(upTo: end, by: "‹key›")
    return true
  }

  // MARK: Tokens

  /// `eyJ` and base64url, a dot, more base64url: every part of it. Found inside words as well.
  private mutating func replaceToken() -> Bool {
    guard index >= noTokenBefore, matches("eyJ", at: index) else { return false }
    var end = endOfRun(from: index, Self.isBase64URL)
    guard end - index >= 8, byte(end) == UInt8(ascii: "."), let next = byte(end + 1), Self.isBase64URL(next) else {
      noTokenBefore = end
      return false
    }
    while byte(end) == UInt8(ascii: ".") {
      end = endOfRun(from: end + 1, Self.isBase64URL)
    }
    replace(upTo: end, by: "‹token›")
    return true
  }

  /// What follows an authentication scheme (RFC 9110 §11.4), unless it is a short word of letters, so prose.
  private mutating func replaceCredential(_ scheme: String) -> Bool {
    guard !wordBefore(), has(scheme, at: index) else { return false }
    let blank = index + scheme.utf8.count
    let start = endOfRun(from: blank) { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    let end = endOfRun(from: start, Self.isCredential)
    guard start > blank, end > start else { return false }
    guard end - start >= 16 || !input[start..<end].allSatisfy(Self.isLetter) else { return false }
    output += input[index..<start]
    replace(upTo: end, by: "‹token›")
    return true
  }

  // MARK: Passwords

  /// At `://`: remembers where the password of `user:password@` is. What stands before it is scanned as usual.
  ///
  /// A password in a database's URL may contain what ought to have been encoded, so the address ends at white space
  /// or a quotation mark there, and at the path for the web's own schemes.
  private mutating func findURLPassword() {
    guard index >= noPasswordBefore, has("://", at: index) else { return }
    let start = index + 3
    let web = has("http", at: index - 4) || has("https", at: index - 5)
    let end = endOfRun(from: start) { byte in
      if web, byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#") { return false }
      return byte > 0x20 && !#""'<>`"#.utf8.contains(byte)
    }
    guard let at = input[start..<end].lastIndex(of: UInt8(ascii: "@")),
      let colon = input[start..<at].firstIndex(of: UInt8(ascii: ":"))
    else {
      noPasswordBefore = end
      return
    }
    if colon + 1 < at { password = colon + 1..<at }
    noPasswordBefore = at
  }

  /// `password=…`, `PGPASSWORD=…`, `"password": "…"`: the value.
  private mutating func replaceAssignedPassword() -> Bool {
    guard has("password", at: index) else { return false }
    var start = index + 8
    if byte(start) == UInt8(ascii: "\"") { start += 1 }
    guard byte(start) == UInt8(ascii: "=") || byte(start) == UInt8(ascii: ":") else { return false }
    start = endOfRun(from: start + 1) { $0 == UInt8(ascii: " ") }
    let quote = byte(start).flatMap { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "'") ? $0 : nil }
    if quote != nil { start += 1 }
    let end = endOfRun(from: start) { byte in
      if let quote { return byte != quote }
      return byte > 0x20 && !#"&,;"'}"#.utf8.contains(byte)
    }
    guard end > start else { return false }
    output += input[index..<start]
    replace(upTo: end, by: "‹password›")
    return true
  }

  // MARK: Addresses

  /// At the `@`: takes back the local part that was copied already, and skips the domain.
  private mutating func replaceAddress(domainAt start: Int) -> Bool {
    guard var end = endOfDomain(from: start) else { return false }
    let local = startOfLocalPart()
    guard local < output.count else { return false }
    // What follows another @ may be the true domain.
    while byte(end) == UInt8(ascii: "@"), let next = endOfDomain(from: end + 1) { end = next }
    output.removeSubrange(local...)
    replace(upTo: end, by: "‹email›")
    return true
  }

  /// The end of a domain or an address in brackets; nil when there is none.
  private func endOfDomain(from start: Int) -> Int? {
    var end = endOfRun(from: start, Self.isDomain)
    if end == start, byte(start) == UInt8(ascii: "[") {
      end = endOfRun(from: start + 1) { Self.isDomain($0) || $0 == UInt8(ascii: ":") }
      if byte(end) == UInt8(ascii: "]") { end += 1 }
    }
    // A full stop or dash after the domain is the sentence's.
    while end > start, input[end - 1] == UInt8(ascii: ".") || input[end - 1] == UInt8(ascii: "-") { end -= 1 }
    return end > start ? end : nil
  }

  /// Where in the output the local part begins; the output's end when there is none.
  private func startOfLocalPart() -> Int {
    // A local part has 64 bytes at most (RFC 5321 §4.5.3.1.1); encoded or not, it fits in what is looked at.
    let copied = output[floor...].suffix(512)
    if copied.last == UInt8(ascii: "\"") {
      let inside = copied.dropLast().suffix(64)
      return inside.lastIndex(of: UInt8(ascii: "\"")) ?? output.count
    }
    var start = copied.lastIndex { !Self.isLocalPart($0) }.map { $0 + 1 } ?? copied.startIndex
    // A quotation mark may be part of a name (o'brien@…), and not its first character.
    while start < output.count, output[start] == UInt8(ascii: "'") { start += 1 }
    return start
  }

  // MARK: Phone numbers

  /// Digits with the separators people write, at most two in a row, none at the end.
  private mutating func replacePhone(digitsAt start: Int, shortest: Int) -> Bool {
    guard !wordBefore() else { return false }
    var digits = 0
    var separators = 0
    var position = start
    var end = start
    // A number has 15 digits at most; 40 bytes are room for any way of writing it.
    while position < min(input.count, start + 40), separators <= 2 {
      if (0x30...0x39).contains(input[position]) {
        digits += 1
        separators = 0
        position += 1
        end = position
      } else if let length = separator(at: position) {
        separators += 1
        position += length
      } else {
        break
      }
    }
    // Without a plus sign it has to stand alone and be no longer than a phone number: it could be part of a UUID.
    guard digits >= shortest, start > index || (digits <= 17 && standsAlone(to: end)) else { return false }
    replace(upTo: end, by: "‹phone›")
    return true
  }

  /// Whether neither a word nor a part of a compound touches the bytes from `index` to `end`.
  private func standsAlone(to end: Int) -> Bool {
    if let before = byte(index - 1), "-._+".utf8.contains(before) { return false }
    return !Self.isWord(byte(end)) && !(byte(end) == UInt8(ascii: "-") && Self.isWord(byte(end + 1)))
  }

  /// The length of the separator here, if it is one: ASCII, no-break spaces, the no-break hyphen.
  private func separator(at position: Int) -> Int? {
    if " -.()/".utf8.contains(input[position]) { return 1 }
    if matches("\u{A0}", at: position) { return 2 }
    if matches("\u{202F}", at: position) || matches("\u{2011}", at: position) { return 3 }
    return nil
  }

  // MARK: Bytes

  private func byte(_ position: Int) -> UInt8? {
    input.indices.contains(position) ? input[position] : nil
  }

  private func wordBefore() -> Bool { Self.isWord(byte(index - 1)) }

  private func endOfRun(from start: Int, _ belongs: (UInt8) -> Bool) -> Int {
    var end = min(start, input.count)
    while end < input.count, belongs(input[end]) { end += 1 }
    return end
  }

  /// Whether the bytes here are the word, to the byte.
  private func matches(_ word: String, at position: Int) -> Bool {
    position >= 0 && position <= input.count && input[position...].starts(with: word.utf8)
  }

  /// Whether the bytes here are the lower-case word in any case.
  private func has(_ word: String, at position: Int) -> Bool {
    position >= 0 && position <= input.count
      && input[position...].starts(with: word.utf8) { (0x41...0x5A).contains($0) ? $0 | 0x20 == $1 : $0 == $1 }
  }

  private func find(_ word: String, from start: Int, to end: Int) -> Int? {
    guard start <= end else { return nil }
    return (start..<end).first { has(word, at: $0) }
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
  }

  private static func isWord(_ byte: UInt8?) -> Bool {
    guard let byte else { return false }
    return isLetter(byte) || (0x30...0x39).contains(byte)
  }

  private static func isBase64URL(_ byte: UInt8) -> Bool {
    isWord(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }

  /// token68 of RFC 9110 §11.2.
  private static func isCredential(_ byte: UInt8) -> Bool {
    isWord(byte) || "-._~+/=".utf8.contains(byte)
  }

  /// RFC 5322's atoms with dots, without what separates addresses in URLs; anything not in ASCII (RFC 6531).
  private static func isLocalPart(_ byte: UInt8) -> Bool {
    byte >= 0x80 || isWord(byte) || "!#$%'*+-=^_~.".utf8.contains(byte)
  }

  private static func isDomain(_ byte: UInt8) -> Bool {
    byte >= 0x80 || isWord(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
  }
}
