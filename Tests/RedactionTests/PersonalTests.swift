import Redaction
import Testing

@Suite("Values that can't print themselves")
struct PersonalTests {
  static let canary = "canary.person@example.com"

  struct Record {
    var id = 7
    var email = Personal(PersonalTests.canary)
    var names: [Personal<String>?] = [Personal(PersonalTests.canary)]
    var phones = ["home": Personal(PersonalTests.canary)]
  }

  @Test("no way of printing shows the value, alone or inside something else")
  func printing() {
    let value = Personal(Self.canary)
    var outputs = [
      "\(value)", String(describing: value), String(reflecting: value), "\(Optional(value) as Any)", "\([value])",
      "\(["k": value])", "\((value, 1))", String(describing: Record()), String(reflecting: Record()),
      "\(Result<Personal<String>, Never>.success(value))",
    ]
    for thing in [value, Record(), [value]] as [Any] {
      var dumped = ""
      dump(thing, to: &dumped)
      outputs.append(dumped)
    }
    var printed = ""
    print(value, Record(), to: &printed)
    debugPrint(value, to: &printed)
    outputs.append(printed)
    for output in outputs {
      #expect(!output.contains("canary"))
      #expect(output.contains("‹personal›"))
    }
  }

  @Test("a mirror finds no children")
  func mirror() {
    #expect(Mirror(reflecting: Personal(Self.canary)).children.isEmpty)
    #expect("\(Personal(42))" == "‹personal›")
  }

  @Test("the value is what was put in, equal by value, and personal after a map")
  func disclosure() {
    let value = Personal(Self.canary)
    #expect(value.disclosed() == Self.canary)
    #expect(value == Personal(Self.canary))
    #expect(value != Personal("other"))
    #expect(Set([value, Personal(Self.canary)]).count == 1)
    let count = value.map(\.count)
    #expect(count.disclosed() == 25)
    #expect("\(count)" == "‹personal›")
  }

  @Test("nothing encodes it")
  func encoding() {
    let value: Any = Personal(Self.canary)
    #expect(!(value is any Encodable))
  }
}

@Suite("Masks")
struct MaskTests {
  @Test(
    "an address shows two letters and its top-level domain",
    arguments: [
      ("anna@example.com", "a•••@e•••.com"), ("a@b.co.uk", "a•••@b•••.uk"), ("é@ü.de", "é•••@ü•••.de"),
      ("anna@localhost", "a•••@•••"), ("anna@.com", "a•••@•••"), ("anna@x.", "a•••@•••"),
      ("x@y@z.org", "x•••@z•••.org"),
      ("anna", "•••"), ("@example.com", "•••"), ("", "•••"),
    ])
  func email(address: String, masked: String) {
    #expect(Mask.email(address) == masked)
  }

  @Test(
    "a number shows its country code and two digits",
    arguments: [
      ("+4915112345678", "+49•••78"), ("+12025550143", "+1•••43"), ("+79161234567", "+7•••67"),
      ("+35312345678", "+353•••78"), ("+49 (151) 123-45 67", "+49•••67"), ("+49", "•••"), ("015112345678", "•••"),
      ("", "•••"), ("+49abc45678", "•••"), ("+1234567890123456", "•••"),
    ])
  func phone(number: String, masked: String) {
    #expect(Mask.phone(number) == masked)
  }

  @Test(
    "a name shows the first character of three words",
    arguments: [
      ("Ada", "A•••"), ("Ada Lovelace", "A••• L•••"), ("  Ada\tKing  Countess Lovelace", "A••• K••• C•••"), ("", "•••"),
      (" ", "•••"), ("李 小龙", "李••• 小•••"),
    ])
  func name(name: String, masked: String) {
    #expect(Mask.name(name) == masked)
  }
}
