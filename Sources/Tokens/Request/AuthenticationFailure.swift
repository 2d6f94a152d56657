/// The answer to a request that did not pass: all an HTTP layer needs, and no value from the request.
public struct AuthenticationFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// 400, 401, 403 or 503.
  public let status: Int
  /// The OAuth error code (RFC 6750 §3.1, RFC 9449 §7.1); `nil` where the caller sent no credentials to judge.
  public let error: String?
  /// A sentence for the problem document's `detail`.
  public let detail: String
  /// The value of `WWW-Authenticate`; `nil` with 503.
  public let wwwAuthenticate: String?
  /// Seconds for `Retry-After`; only with 503.
  public let retryAfter: Int?
  /// The step of `docs/tokens.md` that was not passed, 1–20.
  public let step: Int

  /// Status, code, step and sentence.
  public var description: String { "\(status) \(error ?? "no credentials") at step \(step): \(detail)" }

  /// 401 without a code: nothing was presented that could be judged.
  static func missingCredentials(step: Int) -> AuthenticationFailure {
    refused(401, nil, "An access token with the DPoP scheme is required.", step: step)
  }

  /// 400: the credentials cannot be read unambiguously.
  static func invalidRequest(_ detail: String, step: Int) -> AuthenticationFailure {
    refused(400, "invalid_request", detail, step: step)
  }

  /// 401: the token is at fault.
  static func invalidToken(_ detail: String, step: Int) -> AuthenticationFailure {
    refused(401, "invalid_token", detail, step: step)
  }

  /// What a refusal of the token or the proof answers.
  ///
  /// Step 17 concerns both and is answered as the token's fault.
  static func from(_ error: TokenError) -> AuthenticationFailure {
    if error.step >= 9 && error.step != 17 {
      return refused(401, "invalid_dpop_proof", "DPoP proof: \(error.description)", step: error.step)
    }
    return invalidToken("Access token: \(error.description)", step: error.step)
  }

  /// 503: nothing can be said about the caller until a part of the service is back.
  static func unavailable(_ detail: String, retryAfter: Int, step: Int) -> AuthenticationFailure {
    AuthenticationFailure(
      status: 503, error: "temporarily_unavailable", detail: detail, wwwAuthenticate: nil, retryAfter: retryAfter,
      step: step)
  }

  /// 403: the caller is known and not allowed.
  static func insufficientScope(_ required: Set<Scope>) -> AuthenticationFailure {
    let challenge = challenge("insufficient_scope", and: "scope=\"\(Scope.claim(required))\"")
    return AuthenticationFailure(
      status: 403, error: "insufficient_scope", detail: "The access token lacks a required scope.",
      wwwAuthenticate: challenge, retryAfter: nil, step: 20)
  }

  private static func refused(_ status: Int, _ error: String?, _ detail: String, step: Int) -> AuthenticationFailure {
    AuthenticationFailure(
      status: status, error: error, detail: detail, wwwAuthenticate: challenge(error), retryAfter: nil, step: step)
  }

  private static func challenge(_ error: String?, and parameter: String? = nil) -> String {
    let parameters = [error.map { "error=\"\($0)\"" }, parameter, "algs=\"\(JOSEAlgorithm.challenge)\""]
    return "DPoP \(parameters.compactMap { $0 }.joined(separator: ", "))"
  }
}
