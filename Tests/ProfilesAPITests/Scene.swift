import Custody
import Foundation
import ServiceTesting
import StrictJSON
import Testing
import Tokens

/// A running server with one tenant and an administrator who may do everything there.
struct Scene: Sendable {
  let running: RunningServer
  let installation: Installation
  let tenant: TenantID
  let admin: TestPerson

  /// Somebody of the scene's tenant.
  func person(_ subject: String, scopes: [Scope] = Scope.all) throws -> TestPerson {
    try installation.issuer.person(subject, in: tenant, scopes: scopes)
  }

  /// One tenant more, and an administrator of it.
  func otherTenant(_ subject: String = "admin") async throws -> (tenant: TenantID, admin: TestPerson) {
    let tenant = TenantID(UUID())
    let made = try await running.server.custody.createTenant(Tenant(id: tenant, kind: .merchant, name: "Other"))
    #expect(made)
    return (tenant, try installation.issuer.person(subject, in: tenant))
  }

  /// Creates a profile and returns the answer, which must be 201.
  @discardableResult
  func create(
    _ members: [String: String] = [:], name: String = "Zoë Ñandú", as person: TestPerson? = nil
  ) async throws -> RunningServer.Answer {
    var object = [JSONMember("full_name", .string(name))]
    for (key, value) in members.sorted(by: { $0.key < $1.key }) { object.append(JSONMember(key, .string(value))) }
    let answer = try await running.call(
      "POST", "/profiles", as: person ?? admin,
      body: String(decoding: try JSONValue.object(object).canonicalBytes(), as: UTF8.self))
    try #require(answer.status == 201)
    return answer
  }

  /// Creates a profile and returns its id.
  func createdID(_ members: [String: String] = [:], as person: TestPerson? = nil) async throws -> String {
    try #require(try await create(members, as: person).json["id"]?.string)
  }

  /// Opens a request about a profile and takes it as far as it goes without executing it.
  func openedRequest(
    _ type: String, about profile: String, by officer: TestPerson, approvedBy second: TestPerson? = nil
  ) async throws -> String {
    let opened = try await running.call(
      "POST", "/privacy/data", as: officer, body: #"{"type":"\#(type)","profile_id":"\#(profile)"}"#)
    let id = try #require(opened.json["id"]?.string)
    let verified = try await running.call(
      "POST", "/privacy/data/\(id):verify", as: officer, body: #"{"method":"document"}"#)
    try #require(verified.status == 200)
    if let second {
      let approved = try await running.call("POST", "/privacy/data/\(id):approve", as: second)
      try #require(approved.status == 200)
    }
    return id
  }

  /// Erases the person of a profile and waits for the certificate; the request's id.
  @discardableResult
  func erase(_ profile: String, by officer: TestPerson, approvedBy second: TestPerson) async throws -> String {
    let id = try await openedRequest("erasure", about: profile, by: officer, approvedBy: second)
    let ordered = try await running.call("POST", "/privacy/data/\(id):execute", as: officer)
    try #require(ordered.status == 202)
    return try await eventually {
      let certificate = try await running.call("GET", "/privacy/data/\(id)/certificate", as: officer)
      return certificate.status == 200 ? id : nil
    }
  }

  /// What both databases hold, as counts and digests, without what every request leaves behind however it ends (used
  /// proofs, claims on idempotency keys) and what the server publishes by itself. Equal texts: nothing was written.
  func contents() async throws -> String {
    try await installation.data.sql(Self.dataContents)
      + installation.vault.sql("SELECT count(*), md5(string_agg(k::text, ',' ORDER BY key_id)) FROM vault.keys k")
  }

  private static let dataContents = """
    SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM custody.subjects t;
    SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM custody.lookup_tags t;
    SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM custody.actors t;
    SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM user_profiles.profiles t;
    SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM subject_rights.requests t;
    SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM subject_rights.erasures t;
    SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM subject_rights.packages t;
    SELECT count(*), max(seq) FROM audit.entries;
    SELECT count(*) FROM audit.entry_subjects;
    """
}

/// Lends a scene to `body`, and stops its server afterwards.
func withScene<Result>(_ body: (Scene) async throws -> Result) async throws -> Result {
  try await withRunningServer { running, installation, tenant in
    try await body(
      Scene(
        running: running, installation: installation, tenant: tenant,
        admin: try installation.issuer.person("admin", in: tenant)))
  }
}

// Swift 6.3 may run another closure of the same type for one that is written inside a macro's argument: expectations
// take their values from these, not from closures of their own.

extension CapturedLog {
  /// Whether any line has that text.
  func mentions(_ text: String) -> Bool { lines.contains { $0.contains(text) } }
}

extension Array where Element: Equatable {
  /// How often the element is there.
  func count(of element: Element) -> Int { count { $0 == element } }
}

extension RunningServer.Answer {
  /// The ids of a list's items, in order.
  var ids: [String] { (json["items"]?.array ?? []).compactMap { $0["id"]?.string } }

  /// Whether any field's value has that text.
  func hasField(mentioning text: String) -> Bool { headers.values.contains { $0.contains(text) } }

  /// The body without `instance`, which is the one member of a refusal that differs each time.
  var withoutInstance: JSONValue {
    .object((json.members ?? []).filter { $0.name != "instance" })
  }

  /// Asserts that this is a whole problem document of that kind.
  func expectProblem(
    _ status: Int, _ kind: String, _ errors: [String] = [], _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(self.status == status, comment, sourceLocation: sourceLocation)
    #expect(json["type"]?.string == "urn:lethe:problem:\(kind)", comment, sourceLocation: sourceLocation)
    #expect(json["status"]?.integer == Int64(status), comment, sourceLocation: sourceLocation)
    #expect(json["title"]?.string?.isEmpty == false, comment, sourceLocation: sourceLocation)
    #expect(headers["content-type"] == "application/problem+json", comment, sourceLocation: sourceLocation)
    #expect(headers["cache-control"] == "no-store", comment, sourceLocation: sourceLocation)
    #expect(
      json["instance"]?.string?.hasPrefix("urn:uuid:") == true && headers["request-id"] != nil, comment,
      sourceLocation: sourceLocation)
    #expect(self.errors == errors, comment, sourceLocation: sourceLocation)
  }
}
