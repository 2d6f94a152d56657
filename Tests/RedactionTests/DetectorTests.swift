import Redaction
import Testing

@Suite("The detector of personal data")
struct DetectorTests {
  private let detector = PersonalDataDetector()

  static let jwt =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"

  static let replaced: [(String, String)] = [
    ("anna@example.com", "‹email›"),
    ("mail to anna.smith+tag@mail.example.co.uk.", "mail to ‹email›."),
    ("<anna@example.com>, bob@example.org;", "<‹email›>, ‹email›;"),
    ("o'brien@example.ie", "‹email›"),
    ("'anna@example.com'", "'‹email›'"),
    ("\"anna smith\"@example.com", "‹email›"),
    ("münchen.jürgen@bücher.example", "‹email›"),
    ("anna@[192.0.2.1] left", "‹email› left"),
    ("anna@[IPv6:2001:db8::1]", "‹email›"),
    ("user@localhost", "‹email›"),
    ("GET /find?q=anna%40example.com&x=1", "GET /find?‹email›&x=1"),
    ("bounce+anna=example.com@lists.example.org", "‹email›"),
    ("a@b@example.com", "‹email›"),
    ("+4915112345678", "‹phone›"),
    ("call +49 (0)151 123-456 78 now", "call ‹phone› now"),
    ("tel:+1-202-555-0143.", "tel:‹phone›."),
    ("+49\u{A0}30\u{202F}12\u{2011}34567", "‹phone›"),
    ("q=%2B4915112345678", "q=‹phone›"),
    ("dial 0049 30 1234567", "dial ‹phone›"),
    (#"{"p":"+33612345678"}"#, #"{"p":"‹phone›"}"#),
    (jwt, "‹token›"),
    ("token=\(jwt); path=/", "token=‹token›; path=/"),
    ("x\(jwt)", "x‹token›"),
    ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJjIn0.", "‹token›"),
    ("a.b.c.\(jwt).d.e", "a.b.c.‹token›"),
    ("Authorization: DPoP abc123", "Authorization: DPoP ‹token›"),
    ("authorization: bearer  s3cret-value", "authorization: bearer  ‹token›"),
    ("Basic dXNlcjpwYXNzd29yZA==", "Basic ‹token›"),
    ("Bearer averyveryverylongopaquetoken", "Bearer ‹token›"),
    ("postgres://lethe:s3cret@db.internal:5432/lethe", "postgres://lethe:‹password›@db.internal:5432/lethe"),
    ("postgresql://u:p@ss/w#rd@h/d", "postgresql://u:‹password›@h/d"),
    ("redis://:hunter2@cache:6379", "redis://:‹password›@cache:6379"),
    ("https://u:pw@example.com/a:b@c", "https://u:‹password›@example.com/a:‹email›"),
    ("amqp://anna@example.com:pw@mq", "amqp://‹email›:‹password›@mq"),
    ("host=db password=s3cret user=x", "host=db password=‹password› user=x"),
    ("password='two words' x", "password='‹password›' x"),
    (#"{"Password": "s3cret"}"#, #"{"Password": "‹password›"}"#),
    ("PGPASSWORD=s3cret", "PGPASSWORD=‹password›"),
    (
      "a -----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY----- b",
      "a ‹key› b"
    ),
    ("-----BEGIN EC PRIVATE KEY-----\\nMC4C", "‹key›"),
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----x-----END ENCRYPTED PRIVATE KEY-----", "‹key›"),
    ("-----BEGIN PRIVATE KEY-----x-----END", "‹key›"),
  ]

  @Test("what looks personal or secret is replaced by its kind", arguments: replaced)
  func masks(text: String, masked: String) {
    #expect(detector.masked(text) == masked)
  }

  static let untouched = [
    "",
    "port 5432",
    "listening on 127.0.0.1:8443 and [::1]:8443",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "00123456-7890-4123-8123-123456789012",
    "00112233-4455-4677-8899-001122334455",
    "00123456-7890-abcd-8123-123456789012",
    "00123456-7890-4abc-8123-123456789012",
    "00123456-7890-1234-1234-123456789012",
    "268a8f7287cfa741f0fc3821513f4aeb37105b96080ec7d447e62dd2fd2bf4d0",
    "0012345678901234567890123456789012345678901234567890123456789012",
    "hN6c9W1O6gjnY37/c5aD2uMuTXTEuC9zZiS5sCkw7io=",
    "2026-01-31T23:59:59.042Z",
    "2026-01-31T23:59:59+02:00",
    "2026-01-31T23:59:59+0200",
    "1767139200000000 microseconds",
    "version 1.2.3+20260131235959",
    "a + b = 12, +5, +123456",
    "00:00:00, 0.001 s, 000123, 00",
    "audit.example.com/t1+528ad3af+AYZvvxbxkfQcetgp7Nlir0/oVKRl/Ec6P9cKD6irCkVo",
    "tile/0/x001/x234/067.p/5",
    "https://example.com:8443/profiles/1?q=a:b",
    "postgres:///lethe?host=/run/postgresql",
    "Bearer tokens are refused; basic authentication too; DPoP proof missing",
    "password authentication failed for user lethe",
    "eyJ is how a token begins",
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw\n-----END PUBLIC KEY-----",
    "----- a table -----",
    "@ home, a @ b, @",
    "100% of 40%",
    "naïve — ‹email› 日本語 😀",
  ]

  @Test("ordinary log text stays as it is", arguments: untouched)
  func keeps(text: String) {
    #expect(detector.masked(text) == text)
  }

  @Test("masking masked text changes nothing", arguments: replaced)
  func idempotent(text: String, masked: String) {
    #expect(detector.masked(masked) == masked)
  }

  @Test(
    "hostile text takes time in proportion to its length",
    arguments: [
      "@", "a@", "%40", "%40.", "%40a", "eyJ", "eyJa.", "eyJaaaaa", "://", "x://a:", "x://@", "-----BEGIN ",
      "-----BEGIN PRIVATE KEY-----",
      "-----BEGIN RSA ", "+1 ", "+", "00", "001", "Bearer ", "bearer", "DPoP a ", "password=", "password: ", "\"",
      "a\"@", "'", "=",
      "@.", "@-", "@[",
    ])
  func linear(unit: String) {
    // A quadratic scan of this much would take minutes; the time limit is the test's.
    let text = String(repeating: unit, count: 100_000 / unit.utf8.count)
    let clock = ContinuousClock()
    let time = clock.measure { _ = detector.masked(text) }
    #expect(time < .seconds(20))
  }
}
