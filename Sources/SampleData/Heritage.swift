/// A tradition of names: the words, how they are put together, and the language its bearers read.
struct Heritage: Sendable {
  /// Two letters of ISO 639-1.
  let language: String

  let given: [Word]
  let family: [Word]

  /// The names that fathers are called by, where a father's name is part of one's own.
  var fathers: [Word] = []

  let pattern: Pattern

  /// How given and family names make a whole one.
  enum Pattern: Sendable {
    /// A given name and two family names.
    case iberian

    /// Given names and two family names, at times joined by "da", "de" or "dos".
    case lusophone

    /// A given name and a family name, at times hyphenated with another.
    case western

    /// A given name, the father's, and a family name.
    case patronymic

    /// The family name first.
    case familyFirst

    /// Whole names, each as it stands.
    case whole
  }

  /// A name as it is written, and the part before the `@` of an address made from it.
  struct Name: Sendable {
    let written: String
    let local: String
  }

  /// A name of this tradition.
  func name(_ random: inout SplitMix64) -> Name {
    let first = random.pick(given)
    guard pattern != .whole else {
      return Name(written: first.written, local: first.latin)
    }
    let last = random.pick(family)
    let between = random.pick(pattern == .patronymic ? fathers : family)
    let written = arrange(first.written, between.written, last.written, variation: random.number(below: 4))
    return Name(written: written, local: "\(first.latin).\(last.latin)")
  }

  /// Puts the words in order; `other` is a second family name, or the father's name.
  private func arrange(_ first: String, _ other: String, _ last: String, variation: Int) -> String {
    switch pattern {
    case .iberian: "\(first) \(last) \(other)"
    case .lusophone where variation == 0: "\(first) \(last) da \(other)"
    case .lusophone where variation == 1: "\(first) dos \(last) \(other)"
    case .lusophone: "\(first) \(last) \(other)"
    case .western where variation == 0 && last != other: "\(first) \(last)-\(other)"
    case .western: "\(first) \(last)"
    case .patronymic: "\(first) \(other) \(last)"
    case .familyFirst: "\(last) \(first)"
    case .whole: first
    }
  }
}

extension Heritage {
  /// A word of a name, and how it is spelled with the letters a to z and dots.
  struct Word: Sendable, ExpressibleByStringLiteral {
    let written: String
    let latin: String

    /// A word with a transliteration that cannot be worked out from its letters.
    init(_ written: String, _ latin: String) {
      self.written = written
      self.latin = latin
    }

    /// A word in Latin letters; its transliteration drops the diacritics.
    init(stringLiteral written: String) {
      self.init(written, Transliteration.ascii(written))
    }
  }
}
