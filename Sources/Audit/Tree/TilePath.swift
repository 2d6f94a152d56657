/// Where a tile or an entry bundle lies in the archive (c2sp.org/tlog-tiles).
///
/// `tile/<level>/<index>[.p/<width>]` and `tile/entries/<index>[.p/<width>]`, the index in groups of three
/// digits: 1234067 is `x001/x234/067`.
public struct TilePath: Sendable, Hashable, CustomStringConvertible {
  /// What a full tile holds: 256 hashes, or 256 entries.
  public static let fullWidth = 256

  /// What lies there.
  public enum Content: Sendable, Hashable {
    /// Hashes of the given level; level 0 are leaf hashes.
    case hashes(level: Int)
    /// Entries, each behind its length.
    case entries
  }

  /// What lies there.
  public let content: Content
  /// Which tile of its level.
  public let index: UInt64
  /// How many hashes or entries it holds: 1…255 for a partial tile, 256 for a full one.
  public let width: Int

  /// A tile of hashes. `level` is 0…63 and `width` 1…256.
  public static func tile(level: Int, index: UInt64, width: Int = fullWidth) -> TilePath {
    TilePath(content: .hashes(level: level), index: index, width: width)
  }

  /// A bundle of entries. `width` is 1…256.
  public static func entries(index: UInt64, width: Int = fullWidth) -> TilePath {
    TilePath(content: .entries, index: index, width: width)
  }

  private init(content: Content, index: UInt64, width: Int) {
    precondition((1...Self.fullWidth).contains(width), "a tile holds 1 to 256")
    if case .hashes(let level) = content { precondition((0...63).contains(level), "levels are 0 to 63") }
    self.content = content
    self.index = index
    self.width = width
  }

  /// Reads a path, accepting only what `text` would write.
  public init?(_ text: String) {
    var parts = text.split(separator: "/", omittingEmptySubsequences: false)[...]
    guard parts.count >= 3, parts.popFirst() == "tile", let kind = parts.popFirst() else { return nil }
    var width = UInt64(Self.fullWidth)
    if parts.count >= 2, let folder = parts.dropLast().last, folder.hasSuffix(".p") {
      guard let last = parts.popLast(), let number = Decimal.unsigned(last), (1...255).contains(number) else {
        return nil
      }
      width = number
      parts[parts.endIndex - 1] = folder.dropLast(2)
    }
    var index: UInt64 = 0
    for (position, part) in parts.enumerated() {
      let digits = position == parts.count - 1 ? part : part.hasPrefix("x") ? part.dropFirst() : "?"
      guard digits.utf8.count == 3, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let group = UInt64(digits)
      else { return nil }
      let (product, overflow) = index.multipliedReportingOverflow(by: 1000)
      let (sum, carry) = product.addingReportingOverflow(group)
      guard !overflow, !carry else { return nil }
      index = sum
    }
    if kind == "entries" {
      self.init(content: .entries, index: index, width: Int(width))
    } else {
      guard let level = Decimal.unsigned(kind), level <= 63 else { return nil }
      self.init(content: .hashes(level: Int(level)), index: index, width: Int(width))
    }
    guard self.text == text else { return nil }
  }

  /// The path, relative to the log's folder.
  public var text: String {
    isFull ? stem : "\(partials)/\(width)"
  }

  /// Whether this is a full tile.
  public var isFull: Bool { width == Self.fullWidth }

  /// The same as `text`.
  public var description: String { text }

  /// The folder that holds the partial tiles of this place.
  var partials: String { stem + ".p" }

  func with(width: Int) -> TilePath { TilePath(content: content, index: index, width: width) }

  private var stem: String {
    let kind =
      switch content {
      case .hashes(let level): String(level)
      case .entries: "entries"
      }
    var groups = [Self.group(index % 1000)]
    var rest = index / 1000
    while rest > 0 {
      groups.append("x" + Self.group(rest % 1000))
      rest /= 1000
    }
    return "tile/\(kind)/" + groups.reversed().joined(separator: "/")
  }

  private static func group(_ number: UInt64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: 3 - digits.count) + digits
  }
}
