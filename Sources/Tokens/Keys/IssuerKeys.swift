public import Signing

/// The issuer's keys as last seen, refreshed when an unknown `kid` appears and every few minutes.
///
/// Requests that meet an unknown `kid` at the same time share one refresh; after an attempt, successful or not, the
/// next waits 30 seconds, so that invented `kid`s cannot make this service hammer the issuer. A refresh that fails
/// leaves the last good set in force.
public actor IssuerKeys {
  /// What an operator may see: no key, no name.
  public struct Status: Sendable, Hashable {
    /// How many keys are in force.
    public let keyCount: Int
    /// How often a new set came into force.
    public let generation: Int
    /// When the set in force was loaded (Unix seconds); `nil` before the first success.
    public let loaded: Int64?
    /// Why the latest attempt failed; `nil` after a success and before the first attempt.
    public let failure: TokenError.Code?
  }

  /// Seconds between two attempts.
  public static let coolDown: Int64 = 30
  /// Seconds after which a set is refreshed in the background, so that a withdrawn key goes out of use.
  public static let maximumAge: Int64 = 300

  private let source: any KeySource
  private let clock: @Sendable () -> Int64
  private var current: JWKSet?
  private var generation = 0
  private var loaded: Int64?
  private var attempted: Int64?
  private var failure: TokenError.Code?
  private var running: Task<Void, Never>?

  /// Starts without keys; the first lookup, or ``load()``, fetches them.
  ///
  /// - Parameter clock: Unix seconds; used for the cool-down and the age only.
  public init(source: any KeySource, clock: @escaping @Sendable () -> Int64 = UnixClock.now) {
    self.source = source
    self.clock = clock
  }

  /// The one key with this `kid`.
  ///
  /// Throws `unknown` when the issuer does not publish it, and `unavailable` when no usable set was ever loaded.
  public func key(kid: String) async throws(IssuerKeyError) -> VerifyingKey {
    if let key = current?.key(kid) {
      if isStale { _ = refresh() }
      return key
    }
    if let refresh = refresh() { await refresh.value }
    guard let current else { throw IssuerKeyError(.unavailable, retryAfter: secondsUntilNextAttempt) }
    guard let key = current.key(kid) else { throw IssuerKeyError(.unknown) }
    return key
  }

  /// Fetches the keys before the first request, as a readiness check does; within the cool-down it only looks.
  public func load() async throws(IssuerKeyError) {
    if let refresh = refresh() { await refresh.value }
    guard current != nil else { throw IssuerKeyError(.unavailable, retryAfter: secondsUntilNextAttempt) }
  }

  /// What is in force now.
  public var status: Status {
    Status(keyCount: current?.keys.count ?? 0, generation: generation, loaded: loaded, failure: failure)
  }

  /// Waits for a refresh under way, if there is one.
  func settle() async {
    await running?.value
  }

  /// The refresh under way, or a new one; `nil` during the cool-down.
  private func refresh() -> Task<Void, Never>? {
    if let running { return running }
    guard secondsUntilNextAttempt == 0 else { return nil }
    attempted = clock()
    let task = Task { await self.fetch() }
    running = task
    return task
  }

  private func fetch() async {
    do {
      let set = try JWKSet(parsing: await source.jwks())
      current = set
      generation += 1
      loaded = clock()
      failure = nil
    } catch let error as TokenError {
      failure = error.code
    } catch {
      failure = .sourceFailed
    }
    running = nil
  }

  private var isStale: Bool {
    guard let loaded else { return true }
    // A clock set back makes the age negative: then the set is refreshed as well.
    return !(0..<Self.maximumAge).contains(clock() - loaded)
  }

  private var secondsUntilNextAttempt: Int {
    guard let attempted else { return 0 }
    let passed = clock() - attempted
    return (0..<Self.coolDown).contains(passed) ? Int(Self.coolDown - passed) : 0
  }
}
