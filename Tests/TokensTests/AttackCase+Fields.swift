extension AttackCase {
  /// Steps 1–3: the fields and the token's outer form.
  static let fields: [AttackCase] = [
    AttackCase("no Authorization field", 401, nil, step: 1) { $0.authorization = { _ in [] } },
    AttackCase("two Authorization fields", 400, "invalid_request", step: 1) {
      $0.authorization = { ["DPoP \($0)", "DPoP \($0)"] }
    },
    AttackCase("an empty Authorization field", 400, "invalid_request", step: 1) { $0.authorization = { _ in [""] } },
    AttackCase("a scheme without a token", 400, "invalid_request", step: 1) { $0.authorization = { _ in ["DPoP"] } },
    AttackCase("a scheme and a space", 400, "invalid_request", step: 1) { $0.authorization = { _ in ["DPoP "] } },
    AttackCase("two tokens in one field", 400, "invalid_request", step: 1) {
      $0.authorization = { ["DPoP \($0), DPoP \($0)"] }
    },
    AttackCase("a space after the token", 400, "invalid_request", step: 1) { $0.authorization = { ["DPoP \($0) "] } },
    AttackCase("a tab before the token", 400, "invalid_request", step: 1) { $0.authorization = { ["DPoP\t\($0)"] } },
    AttackCase("a space before the scheme", 400, "invalid_request", step: 1) { $0.authorization = { [" DPoP \($0)"] } },
    AttackCase("a scheme in look-alike letters", 400, "invalid_request", step: 1) {
      $0.authorization = { ["D\u{420}oP \($0)"] }
    },
    AttackCase("a parameter after the token", 400, "invalid_request", step: 1) {
      $0.authorization = { ["DPoP \($0)==x"] }
    },
    AttackCase("another scheme", 401, nil, step: 1) { $0.authorization = { _ in ["Basic b2ZmaWNlcjpwYXNz"] } },
    AttackCase("a bound token as Bearer", 401, "invalid_token", step: 1) { $0.authorization = { ["Bearer \($0)"] } },
    AttackCase("a bound token as bEARER", 401, "invalid_token", step: 1) { $0.authorization = { ["bEARER \($0)"] } },
    AttackCase("a token in the query alone", 401, nil, step: 2) {
      $0.authorization = { _ in [] }
      $0.target = "/v1/profiles/42?access_token=abc"
    },
    AttackCase("a token in the query and in the field", 400, "invalid_request", step: 2) {
      $0.target = "/v1/profiles/42?a=b&access_token=abc"
    },
    AttackCase("a token in the query under an encoded name", 400, "invalid_request", step: 2) {
      $0.target = "/v1/profiles/42?a=b&access%5ftoken"
    },
    .token("a token of 8193 bytes", step: 3) {
      $0.editToken = { $0 + String(repeating: "A", count: 8193 - $0.utf8.count) }
    },
    .token("a token with one dot", step: 3) {
      $0.editToken = { $0.split(separator: ".").prefix(2).joined(separator: ".") }
    },
    .token("a token without a dot", step: 3) { $0.editToken = { _ in "abcd" } },
    .token("a token with three dots", step: 3) { $0.editToken = { $0 + "." } },
    .token("a token of five parts", step: 3) { $0.editToken = { $0 + ".AA.AA" } },
    .token("a padded signature", step: 3) { $0.editToken = { $0 + "==" } },
    .token("a character of plain base64", step: 3) { $0.editToken = { $0.replacingPart(1) { "+" + $0.dropFirst() } } },
    .token("a tilde in the claims", step: 3) { $0.editToken = { $0.replacingPart(1) { "~" + $0.dropFirst() } } },
    .token("a signature with bits after its end", step: 3) {
      $0.editToken = { token in
        let replaced: [Character: String] = ["A": "B", "Q": "R", "g": "h", "w": "x"]
        return token.dropLast() + (token.last.flatMap { replaced[$0] } ?? "~")
      }
    },
  ]
}
