/// Times as certificates write them: RFC 3339 in UTC with microseconds, `2026-01-31T12:00:00.000001Z`.
enum Timestamp {
  /// The text of a time in microseconds since 1970, from 1970 to 9999; `nil` outside.
  static func text(_ microseconds: Int64) -> String? {
    guard (0..<253_402_300_800_000_000).contains(microseconds) else { return nil }
    let seconds = microseconds / 1_000_000
    let ofDay = seconds % 86_400
    let time = [ofDay / 3600, ofDay / 60 % 60, ofDay % 60].map { padded($0, 2) }.joined(separator: ":")
    return "\(date(day: seconds / 86_400))T\(time).\(padded(microseconds % 1_000_000, 6))Z"
  }

  /// Reads what `text` writes.
  static func microseconds(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count == 27, let day = day(String(text.prefix(10))) else { return nil }
    func number(_ range: Range<Int>) -> Int64? { Int64(String(decoding: bytes[range], as: UTF8.self)) }
    guard let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
      let fraction = number(20..<26)
    else { return nil }
    let result = (day * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000 + fraction
    return self.text(result) == text ? result : nil
  }

  /// The number of days since 1970 of a date `YYYY-MM-DD` from 1970 to 9999.
  static func day(_ text: String) -> Int64? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
    guard parts.count == 3, let year = parts[0], let month = parts[1], let day = parts[2],
      (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day)
    else { return nil }
    // Days before a civil date, with years that begin in March so that the leap day comes last.
    let shifted = month > 2 ? year : year - 1
    let ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let result = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + ofYear - 719_468
    return date(day: result) == text ? result : nil
  }

  private static func date(day: Int64) -> String {
    let shifted = day + 719_468
    let era = shifted / 146_097
    let ofEra = shifted % 146_097
    let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * ofYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let dayOfMonth = ofYear - (153 * marchMonth + 2) / 5 + 1
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))"
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
