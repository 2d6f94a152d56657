/// Times as others send them: RFC 3339, section 5.6.
public enum DateTime {
  /// The time in microseconds since the Unix epoch, what is finer cut off; nil for anything but a whole date-time with
  /// its offset, in the years 1970 to 9999 and without leap seconds.
  public static func microseconds(_ text: String) -> Int64? {
    var rest = Array(text.utf8)[...]
    guard let year = number(&rest, digits: 4), take(&rest, "-"), let month = number(&rest, digits: 2), take(&rest, "-"),
      let day = number(&rest, digits: 2), take(&rest, "T", "t"), let hour = number(&rest, digits: 2), take(&rest, ":"),
      let minute = number(&rest, digits: 2), take(&rest, ":"), let second = number(&rest, digits: 2)
    else { return nil }
    guard year >= 1970, (1...12).contains(month), (1...daysIn(month, of: year)).contains(day), hour < 24, minute < 60,
      second < 60
    else { return nil }
    var fraction: Int64 = 0
    if take(&rest, ".") {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      guard !digits.isEmpty else { return nil }
      rest = rest.dropFirst(digits.count)
      for place in 0..<6 {
        fraction *= 10
        if place < digits.count { fraction += Int64(digits[digits.startIndex + place] - 0x30) }
      }
    }
    guard let offset = offset(&rest), rest.isEmpty else { return nil }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
    return seconds * 1_000_000 + fraction
  }

  /// `Z`, or the minutes that local time is ahead.
  private static func offset(_ rest: inout ArraySlice<UInt8>) -> Int64? {
    if take(&rest, "Z", "z") { return 0 }
    let sign: Int64
    if take(&rest, "+") {
      sign = 1
    } else if take(&rest, "-") {
      sign = -1
    } else {
      return nil
    }
    guard let hours = number(&rest, digits: 2), take(&rest, ":"), let minutes = number(&rest, digits: 2), hours < 24,
      minutes < 60
    else { return nil }
    return sign * (hours * 60 + minutes)
  }

  private static func number(_ rest: inout ArraySlice<UInt8>, digits: Int) -> Int64? {
    let taken = rest.prefix(digits)
    guard taken.count == digits, taken.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    rest = rest.dropFirst(digits)
    return taken.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
  }

  private static func take(_ rest: inout ArraySlice<UInt8>, _ allowed: Unicode.Scalar...) -> Bool {
    guard let first = rest.first, allowed.contains(where: { UInt8(ascii: $0) == first }) else { return false }
    rest = rest.dropFirst()
    return true
  }

  private static func daysIn(_ month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days since 1970-01-01 in the Gregorian calendar.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    // Years that begin in March have their leap day at the end.
    let year = month > 2 ? year : year - 1
    let ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return year * 365 + year / 4 - year / 100 + year / 400 + ofYear - 719_468
  }
}
