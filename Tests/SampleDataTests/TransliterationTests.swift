import Testing

@testable import SampleData

@Suite("Transliteration")
struct TransliterationTests {
  @Test(
    "diacritics go, letters stay, all else goes",
    arguments: [
      ("Núñez", "nunez"), ("GRÜßE", "grusse"), ("D'Arcy", "darcy"), ("von Bülow-Weiß", "vonbulowweiss"),
      ("Cœlia", "coelia"), ("Łukasz", "lukasz"), ("Þórdís", "thordis"), ("佐藤", ""), ("", ""),
      ("e\u{301}lodie", "elodie"),
    ]
  )
  func ascii(text: String, expected: String) {
    #expect(Transliteration.ascii(text) == expected)
  }

  @Test(
    "no Latin letter of a name table is lost on the way",
    arguments: [Heritage.spanish, .andean, .portuguese, .english, .german, .french].map { $0.given + $0.family }
  )
  func tables(words: [Heritage.Word]) {
    #expect(words.count >= 32)
    for word in words {
      let letters = word.written.filter(\.isLetter).count
      #expect(word.latin.count >= letters, "\(word.written)")
    }
  }
}
