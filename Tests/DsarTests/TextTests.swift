import Synchronization
import Testing

@testable import dsar

@Suite("text on a terminal")
struct TextTests {
  @Test(
    "what could move the cursor or turn the direction of text is replaced",
    arguments: [
      ("plain", "plain"), ("Ελένη 王", "Ελένη 王"), ("a\u{1B}[2Jb", "a\u{FFFD}[2Jb"), ("a\nb", "a\u{FFFD}b"),
      ("a\u{202E}b", "a\u{FFFD}b"), ("a\u{2028}b", "a\u{FFFD}b"), ("a\u{7F}\u{9B}b", "a\u{FFFD}\u{FFFD}b"),
    ])
  func printable(text: String, shown: String) {
    #expect(PrintableText.of(text) == shown)
  }

  @Test(
    "the bar fills with the work",
    arguments: [
      (0, 10, "t [------------------------] 0/10"), (5, 10, "t [############------------] 5/10"),
      (10, 10, "t [########################] 10/10"), (0, 0, "t [########################] 0/0"),
    ] as [(UInt64, UInt64, String)])
  func bar(done: UInt64, total: UInt64, text: String) {
    #expect(ProgressBar.text("t", done, total) == text)
  }

  @Test("a bar redraws itself on a terminal only, and says beginning and end elsewhere")
  func barElsewhere() {
    let record = Record()
    for (isTerminal, expected) in [
      (false, "w [------------------------] 0/2\nw [########################] 2/2\n"),
      (
        true,
        "\rw [------------------------] 0/2\u{1B}[K\rw [############------------] 1/2\u{1B}[K"
          + "\rw [########################] 2/2\u{1B}[K\n"
      ),
    ] {
      let bar = ProgressBar("w", console: record.console, isTerminal: isTerminal)
      for done in 0...2 { bar.show(UInt64(done), of: 2) }
      #expect(record.takeNotes() == expected)
    }
  }

  @Test("columns are as wide as their widest cell")
  func table() {
    let record = Record()
    record.console.table(["ID", "TYPE"], [["1234", "a"], ["5", "erasure"]])
    #expect(record.takeOutput() == "ID    TYPE\n1234  a\n5     erasure\n")
    record.console.pairs([("a", "1"), ("long", "2")])
    #expect(record.takeOutput() == "a     1\nlong  2\n")
  }
}

/// A console that remembers.
final class Record: Sendable {
  private let output = Mutex("")
  private let notes = Mutex("")

  var console: Console {
    Console(
      output: { bytes in self.output.withLock { $0 += String(decoding: bytes, as: UTF8.self) } },
      notes: { bytes in self.notes.withLock { $0 += String(decoding: bytes, as: UTF8.self) } })
  }

  func takeOutput() -> String {
    output.withLock { text in
      defer { text = "" }
      return text
    }
  }

  func takeNotes() -> String {
    notes.withLock { text in
      defer { text = "" }
      return text
    }
  }
}
