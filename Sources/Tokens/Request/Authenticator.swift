import Signing

/// Decides who sent a request: steps 1–20 of `docs/tokens.md`, in that order.
///
/// Each step only runs when those before it have passed, so that a proof is used up by nothing but a request that is
/// otherwise in order, and a failure always names the first fault.
public struct Authenticator: Sendable {
  private let tokens: AccessTokenVerifier
  private let proofs: ProofVerifier
  private let keys: IssuerKeys
  private let replay: any ReplayStore
  private let revocation: (any RevocationList)?
  private let now: @Sendable () -> Int64

  /// Brings the parts together.
  ///
  /// - Parameters:
  ///   - policy: whom to believe, and the origin that proofs name.
  ///   - keys: the issuer's keys.
  ///   - replay: where used proofs are remembered, shared by all replicas.
  ///   - revocation: where withdrawn tokens are listed; `nil` where the deployment has no such list.
  ///   - now: Unix seconds; read again after each wait.
  public init(
    policy: AuthenticationPolicy, keys: IssuerKeys, replay: any ReplayStore, revocation: (any RevocationList)?,
    now: @escaping @Sendable () -> Int64 = UnixClock.now
  ) {
    tokens = AccessTokenVerifier(issuer: policy.issuer, audience: policy.audience)
    proofs = ProofVerifier(origin: policy.origin)
    self.keys = keys
    self.replay = replay
    self.revocation = revocation
    self.now = now
  }

  /// Steps 1–19; the caller then asks ``require(_:of:)`` for what the route needs.
  ///
  /// A success uses up the proof: a second call with the same credentials fails at step 19.
  public func authenticate(_ credentials: RequestCredentials) async throws(AuthenticationFailure) -> Principal {
    let bytes = try AuthorizationField.token(in: credentials)
    let token = try await accessToken(bytes)
    try await checkRevocation(of: token, method: credentials.method)
    let proof = try self.proof(of: credentials, for: token, bytes)
    try await consume(proof)
    // The waits above may have outlived the token.
    guard now() < token.expires else { throw .from(TokenError(.expired, step: 7)) }
    return Principal(token)
  }

  /// Step 20: every one of these scopes, or 403.
  public static func require(_ scopes: Set<Scope>, of principal: Principal) throws(AuthenticationFailure) {
    guard principal.scopes.isSuperset(of: scopes) else { throw .insufficientScope(scopes) }
  }

  /// Steps 3–7.
  private func accessToken(_ bytes: [UInt8]) async throws(AuthenticationFailure) -> AccessToken {
    let unverified: AccessTokenVerifier.Unverified
    do {
      unverified = try tokens.parse(bytes)
    } catch {
      throw .from(error)
    }
    let key = try await key(unverified.keyID)
    do {
      return try tokens.verify(unverified, with: key, now: now())
    } catch {
      throw .from(error)
    }
  }

  /// Step 5.
  private func key(_ keyID: String) async throws(AuthenticationFailure) -> VerifyingKey {
    do {
      return try await keys.key(kid: keyID)
    } catch {
      switch error.code {
      case .unknown:
        throw .from(TokenError(.unknownKey, step: 5))
      case .unavailable:
        throw .unavailable(
          "The issuer's keys are not available.", retryAfter: error.retryAfter ?? Self.retryAfter, step: 5)
      }
    }
  }

  /// Step 8.
  private func checkRevocation(of token: AccessToken, method: String) async throws(AuthenticationFailure) {
    guard let revocation else { return }
    do {
      guard try await revocation.isRevoked(tokenID: token.tokenID, tenant: token.tenant) else { return }
    } catch {
      if Self.isReading(method) { return }
      throw .unavailable("The revocation list is not available.", retryAfter: Self.retryAfter, step: 8)
    }
    throw .from(TokenError(.revoked, step: 8))
  }

  /// Steps 9–18.
  private func proof(
    of credentials: RequestCredentials, for token: AccessToken, _ bytes: [UInt8]
  ) throws(AuthenticationFailure) -> DPoPProof {
    guard credentials.proofs.count <= 1 else { throw .from(TokenError(.proofRepeated, step: 9)) }
    guard let field = credentials.proofs.first, !field.utf8.isEmpty else {
      throw .from(TokenError(.proofMissing, step: 9))
    }
    do {
      return try proofs.verify(
        Array(field.utf8), method: credentials.method, rawTarget: credentials.rawTarget, accessToken: bytes,
        boundTo: token.thumbprint, now: now())
    } catch {
      throw .from(error)
    }
  }

  /// Step 19.
  private func consume(_ proof: DPoPProof) async throws(AuthenticationFailure) {
    let isNew: Bool
    do {
      isNew = try await replay.consume(
        thumbprint: proof.thumbprint, proof: proof.identifier, until: proof.forgettable)
    } catch {
      throw .unavailable("Used proofs cannot be looked up.", retryAfter: Self.retryAfter, step: 19)
    }
    guard isNew else { throw .from(TokenError(.replayed, step: 19)) }
  }

  /// Seconds after which a caller may try again when a store is away.
  private static let retryAfter = 5

  /// The methods that change nothing (RFC 9110 §9.2.1); case counts.
  private static func isReading(_ method: String) -> Bool {
    method.hasSameBytes(as: "GET") || method.hasSameBytes(as: "HEAD")
  }
}
