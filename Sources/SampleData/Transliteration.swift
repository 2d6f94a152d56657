/// Latin letters with diacritics, spelled with the letters a to z.
enum Transliteration {
  /// The text in lower-case ASCII letters. Letters with diacritics lose them (`ß` becomes `ss`, `ø` becomes `o`); all
  /// else, spaces and hyphens too, goes.
  static func ascii(_ text: String) -> String {
    var result = ""
    for character in text.lowercased() {
      if let plain = plainLetters[character] {
        result += plain
      } else if character.isASCII && character.isLetter {
        result.append(character)
      }
    }
    return result
  }

  private static let plainLetters: [Character: String] = {
    let groups = [
      "a": "áàâãäåạ", "c": "çćč", "e": "éèêëěẽ", "g": "ğ", "i": "íìîïı", "l": "ł", "n": "ñńň", "o": "óòôõöøőọ",
      "r": "řŕ", "s": "śşšș", "t": "ťț", "u": "úùûüůűư", "y": "ýÿ", "z": "źżž", "ss": "ß", "d": "ðď", "ae": "æ",
      "oe": "œ", "th": "þ",
    ]
    var letters: [Character: String] = [:]
    for (plain, marked) in groups {
      for letter in marked { letters[letter] = plain }
    }
    return letters
  }()
}
