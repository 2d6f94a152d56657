import Testing

@testable import Vault

@Suite("Normalisation")
struct NormalisationTests {
  @Test(
    "an address has one spelling",
    arguments: [
      ("anna@example.org", "anna@example.org"),
      ("  Anna.Schmidt@Example.ORG\r\n", "anna.schmidt@example.org"),
      ("\u{A0}anna@example.org\u{3000}", "anna@example.org"),
      // Composed or not, capital or small.
      ("Zoe\u{308}.Mu\u{308}ller@Example.org", "zo\u{EB}.m\u{FC}ller@example.org"),
      ("ZO\u{CB}@example.org", "zo\u{EB}@example.org"),
      ("\u{212B}sa@example.org", "\u{E5}sa@example.org"),
      ("\u{130}nci@example.org", "i\u{307}nci@example.org"),
      // What the receiving host may or may not ignore stays.
      ("anna+shop@example.org", "anna+shop@example.org"),
      ("a.n.n.a@gmail.com", "a.n.n.a@gmail.com"),
      ("!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"),
      // Domains as they are given.
      ("info@M\u{DC}NCHEN.example", "info@m\u{FC}nchen.example"),
      ("info@XN--MNCHEN-3YA.example", "info@xn--mnchen-3ya.example"),
      ("a@\u{928}\u{92E}\u{938}\u{94D}\u{924}\u{947}.example", "a@\u{928}\u{92E}\u{938}\u{94D}\u{924}\u{947}.example"),
      ("a@1.2.example-1.museum", "a@1.2.example-1.museum"),
      // Quotes only where they are needed, escapes too.
      ("\"Anna\"@example.org", "anna@example.org"),
      ("\"anna schmidt\"@example.org", "\"anna schmidt\"@example.org"),
      ("\"\\a\\ b\"@example.org", "\"a b\"@example.org"),
      ("\"a@b\"@example.org", "\"a@b\"@example.org"),
      ("\"a\\\"b\\\\\"@example.org", "\"a\\\"b\\\\\"@example.org"),
      ("\"a..b\"@example.org", "\"a..b\"@example.org"),
      ("\"\"@example.org", "\"\"@example.org"),
    ])
  func emails(_ text: String, _ expected: String) {
    #expect(Normalisation.email(text).map { Array($0.utf8) } == Array(expected.utf8))
    #expect(Normalisation.email(expected).map { Array($0.utf8) } == Array(expected.utf8))
  }

  @Test(
    "what is no address is refused",
    arguments: [
      "", "   ", "anna", "@", "anna@", "@example.org", "anna@@example.org", "anna@example", "anna@localhost",
      "an na@example.org", "anna @example.org", "anna@ example.org", ".anna@example.org", "anna.@example.org",
      "an..na@example.org", "anna@example..org", "anna@.example.org", "anna@example.org.", "anna@-example.org",
      "anna@example-.org", "anna@exa_mple.org", "anna@[192.0.2.1]", "anna(home)@example.org", "<anna@example.org>",
      "Anna <anna@example.org>", "anna,berta@example.org", "anna;@example.org", "an:na@example.org",
      "\"anna@example.org", "anna\"@example.org", "\"an\"na\"@example.org", "\"anna\\\"@example.org", "\"@example.org",
      "\"an\u{9}na\"@example.org", "anna@example.org\u{0}", "an\u{0}na@example.org", "an\nna@example.org",
      "an\u{200B}na@example.org", "an\u{202E}na@example.org", "\"an\u{200D}na\"@example.org", "anna@exam\u{AD}ple.org",
      "anna@example\u{3002}org", "anna@\u{308}x.example", "anna@exam ple.org", "anna@ex\u{FF0F}ample.org",
      "an\u{E000}na@example.org",
    ])
  func noEmails(_ text: String) {
    #expect(Normalisation.email(text) == nil)
  }

  @Test("an address is as long as it may be, and no longer")
  func lengths() {
    let local = String(repeating: "a", count: 64)
    let label = String(repeating: "b", count: 63)
    let longest = "\(local)@\(label).\(label).\(String(repeating: "c", count: 61))"
    #expect(longest.utf8.count == 254)
    #expect(Normalisation.email(longest) == longest)
    #expect(Normalisation.email(longest + "c") == nil)
    #expect(Normalisation.email("a\(local)@example.org") == nil)
    #expect(Normalisation.email(String(repeating: "\u{E4}", count: 33) + "@example.org") == nil)
    #expect(Normalisation.email("a@\(label)b.example") == nil)
  }

  @Test(
    "a number has one spelling",
    arguments: [
      ("+4915112345678", "+4915112345678"),
      (" +49 151 1234-5678 ", "+4915112345678"),
      ("+49 (151) 12.34.56.78", "+4915112345678"),
      ("+49\u{A0}151\u{202F}1234\u{2011}5678", "+4915112345678"),
      ("+1 (555) 010\u{2013}0199", "+15550100199"),
      ("+12345678", "+12345678"),
      ("+123456789012345", "+123456789012345"),
      ("+44 20 (7946) 0958", "+442079460958"),
    ])
  func phones(_ text: String, _ expected: String) {
    #expect(Normalisation.phone(text) == expected)
    #expect(Normalisation.phone(expected) == expected)
  }

  @Test(
    "what is no number in E.164 is refused",
    arguments: [
      "", "+", "4915112345678", "004915112345678", "015112345678", "+0915112345678", "+1234567", "+1234567890123456",
      "+49 (0) 151 12345678", "+49(0)15112345678", "+49 ( 0 ) 15112345678", "+49151x1234567", "+49 151 1234 ext. 5",
      "++4915112345678", "+49151/1234567", "+49\u{661}51123456", "+\u{FF11}2345678", "tel:+4915112345678",
      "+49\u{9}15112345678",
    ])
  func noPhones(_ text: String) {
    #expect(Normalisation.phone(text) == nil)
  }
}
