import Foundation
import ServiceTesting
import StrictJSON
import Testing
import Tokens

@Suite("No personal value is in the log, in a dump of either database, or in the archive")
struct LeakTests {
  private static let values = [
    "name": "Kanaria Volgograd-Quispe", "email": "kanaria.volgograd@vogel.example.org", "phone": "+51987123450",
    "identity": "auth|kanaria-7f3a", "note": "kanaria asked by letter", "sub": "kanaria-officer-91c2",
    "second sub": "kanaria-second-44d0", "new name": "Kanaria Umbenannt", "new email": "kanaria.neu@vogel.example.org",
    "missed email": "kanaria.niemand@vogel.example.org", "missed phone": "+51987123451", "key": "kanaria-key-5511",
    "member": "kanaria_member@vogel.example.org", "query": "kanaria-query", "path": "kanaria-path",
    "agent": "kanaria-agent/1.0",
  ]
  private static let canaries = Canaries(
    values,
    hashed: ["email", "new email", "missed email", "phone", "missed phone", "identity", "sub", "second sub", "key"])

  private func value(_ name: String) -> String { Self.values[name] ?? "" }

  @Test("the search below finds what is there, in each of its forms")
  func control() {
    let email = value("email")
    let texts = [
      "x \(email) y", "x \(email.uppercased()) y", "\\x00" + email.utf8.map { String($0, radix: 16) }.joined() + "00",
      Data(email.utf8).base64EncodedString(),
    ]
    for text in texts {
      let found = Self.canaries.found(in: Array(text.utf8)).filter { $0.hasPrefix("email") }
      #expect(!found.isEmpty, "\(text)")
    }
    #expect(Self.canaries.found(in: Array("kanari".utf8)).isEmpty)
  }

  @Test("a whole story, with everything that can be refused on its way, leaves none of its values anywhere")
  func story() async throws {
    try await withScene { scene in
      let officer = try scene.person(value("sub"))
      let second = try scene.person(value("second sub"))
      let (first, other) = try await goodStory(scene, officer, second)
      try await refusals(scene, officer, first)
      try await scene.erase(other, by: officer, approvedBy: second)
      let refused = try await scene.running.call("GET", "/profiles/\(other)", as: officer)
      refused.expectProblem(410, "erased")
      await scene.running.stop()

      let lines = scene.installation.log.lines
      #expect(lines.count > 30)
      for line in lines { #expect(Self.canaries.found(in: Array(line.utf8)) == [], "\(line)") }
      let data = try dump(scene.installation.data.url())
      #expect(String(decoding: data, as: UTF8.self).contains("COPY user_profiles.profiles"))
      #expect(String(decoding: data, as: UTF8.self).contains(first))
      #expect(Self.canaries.found(in: data) == [])
      let vault = try dump(scene.installation.vault.url())
      #expect(String(decoding: vault, as: UTF8.self).contains("COPY vault.keys"))
      #expect(Self.canaries.found(in: vault) == [])
      let archive = files(below: scene.installation.settings.archivePath)
      let paths = archive.map(\.path)
      #expect(paths.contains("\(scene.tenant)/checkpoint"))
      #expect(paths.contains("erasures/ledger"))
      #expect(paths.joined(separator: " ").contains("tile/entries/"))
      for file in archive { #expect(Self.canaries.found(in: file.contents) == [], "\(file.path)") }
    }
  }

  /// Two people are created, read, searched, changed; one gets a package. Returns the profiles' ids.
  private func goodStory(_ scene: Scene, _ officer: TestPerson, _ second: TestPerson) async throws -> (String, String) {
    let body = try JSONValue.object([
      JSONMember("full_name", .string(value("name"))), JSONMember("email", .string(value("email"))),
      JSONMember("phone", .string(value("phone"))), JSONMember("identity", .string(value("identity"))),
      JSONMember("country", .string("PE")), JSONMember("language", .string("es")),
    ]).canonicalBytes()
    for _ in 0..<2 {
      let created = try await scene.running.call(
        "POST", "/profiles", as: officer, body: String(decoding: body, as: UTF8.self),
        headers: [("Idempotency-Key", value("key")), ("User-Agent", value("agent")), ("X-Name", value("name"))])
      #expect(created.status == 201)
    }
    let found = try await scene.running.call(
      "POST", "/profiles:search", as: officer, body: #"{"email":"\#(value("email").uppercased())"}"#)
    let first = try #require(found.json["items"]?.array?.first?["id"]?.string)
    for body in [
      #"{"phone":"\#(value("phone"))"}"#, #"{"email":"\#(value("missed email"))"}"#,
      #"{"phone":"\#(value("missed phone"))"}"#,
    ] {
      #expect(try await scene.running.call("POST", "/profiles:search", as: officer, body: body).status == 200)
    }
    let own = try await scene.running.call("GET", "/me", as: try scene.person(value("identity")))
    #expect(own.json["id"]?.string == first)
    let changed = try await scene.running.call(
      "PATCH", "/profiles/\(first)", as: officer,
      body: #"{"full_name":"\#(value("new name"))","email":"\#(value("new email"))"}"#,
      headers: [("If-Match", "\"1\"")])
    #expect(changed.json["full_name"]?.string == value("new name"))
    #expect(try await scene.running.call("GET", "/profiles", as: officer).text.contains(value("new name")))

    let opened = try await scene.running.call(
      "POST", "/privacy/data", as: officer,
      body: #"{"type":"access","profile_id":"\#(first)","note":"\#(value("note"))"}"#)
    let request = try #require(opened.json["id"]?.string)
    let read = try await scene.running.call("GET", "/privacy/data/\(request)", as: officer)
    #expect(read.json["note"]?.string == value("note"))
    _ = try await scene.running.call(
      "POST", "/privacy/data/\(request):verify", as: officer, body: #"{"method":"document"}"#)
    let executed = try await scene.running.call("POST", "/privacy/data/\(request):execute", as: officer)
    #expect(executed.json["state"]?.string == "completed")
    let package = try await scene.running.call("GET", "/privacy/data/\(request)/package", as: officer)
    #expect(package.text.contains(value("new email")))

    // The one who is erased has the address that the first one gave up.
    let other = try await scene.create(["email": value("email")], name: value("name"), as: officer)
    return (first, try #require(other.json["id"]?.string))
  }

  /// Everything that can be sent to be refused, with values in each place of a request.
  private func refusals(_ scene: Scene, _ officer: TestPerson, _ profile: String) async throws {
    var refused: [RunningServer.Answer] = []
    let member = value("member")
    for body in [
      #"{"full_name":"\#(value("name"))","email":"\#(value("new email"))"}"#,
      #"{"full_name":"\#(value("name"))","\#(member)":"\#(member)"}"#,
      #"{"\#(member)":1,"\#(member)":2}"#, #"{"full_name":"\#(value("name"))","email":"\#(value("query"))"}"#,
      #"{"full_name":"\#(value("name"))","country":"\#(value("query"))"}"#, #"{"full_name":"\#(value("name"))"#,
    ] {
      refused.append(try await scene.running.call("POST", "/profiles", as: officer, body: body))
      refused.append(
        try await scene.running.call(
          "PATCH", "/profiles/\(profile)", as: officer, body: body, headers: [("If-Match", "\"1\"")]))
      refused.append(try await scene.running.call("POST", "/profiles/\(profile):unlock", as: officer, body: body))
      refused.append(try await scene.running.call("POST", "/privacy/data", as: officer, body: body))
    }
    for path in [
      "/profiles?email=\(value("query"))", "/profiles?\(value("query"))=1", "/profiles?status=\(value("query"))",
      "/profiles?country=\(value("query"))", "/profiles?cursor=\(value("query"))", "/profiles/\(value("path"))",
      "/\(value("path"))", "//\(value("path"))", "/audit/tile/\(value("path"))",
      "/privacy/data/\(value("path"))/package",
    ] {
      refused.append(
        try await scene.running.call(
          "GET", path, as: officer,
          headers: [("traceparent", value("query")), ("If-Match", value("query")), ("X-Request-Id", value("query"))]))
    }
    for method in ["PATCH", "PUT"] {
      refused.append(
        try await scene.running.call(
          method, "/profiles/\(profile)", as: officer, body: #"{"full_name":"\#(value("new name"))"}"#,
          headers: [("If-Match", value("query"))]))
    }
    refused.append(
      try await scene.running.send("GET", "/profiles", headers: [("Authorization", "DPoP \(value("query"))")]))
    refused.append(try await scene.running.call("GET", "/me", as: try scene.person(value("sub"), scopes: [])))
    for answer in refused {
      #expect((400..<500).contains(answer.status))
      #expect(Self.canaries.found(in: answer.body) == [])
    }
  }
}
