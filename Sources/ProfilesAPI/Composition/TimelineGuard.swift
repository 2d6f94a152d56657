import Custody
import Foundation
import Hummingbird
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

/// Stops serving when a database turns out to be another one than before: failed over, restored, or made again, and
/// starts again once that one is known to be as it was published and erased.
///
/// A pool halts by itself when a new connection shows another timeline; then nothing is answered by any of them. The
/// start's comparison is made over fresh connections. Without findings the new identity is accepted; with findings it is
/// made again every five seconds, until somebody has run `lethe recover`.
final class TimelineGuard: Service {
  private struct State {
    var isSuspected = false
    var said: String?
  }

  private let parts: ServerParts
  private let logger: Logger
  private let patience: Duration
  private let state = Mutex(State())

  init(parts: ServerParts, patience: Duration = .seconds(5), logger: Logger) {
    self.parts = parts
    self.patience = patience
    self.logger = logger
  }

  private var pools: [PostgresPool] { [parts.data, parts.worker, parts.vault] }

  /// Whether the databases are the ones that were compared.
  var isServing: Bool {
    !state.withLock { $0.isSuspected } && pools.allSatisfy { $0.identityChange == nil }
  }

  /// A database is behind its archive, by whatever way it came there: nothing is served until it has been compared.
  func suspect() { state.withLock { $0.isSuspected = true } }

  /// Whether a comparison, made now, finds nothing. With findings nothing is served from here on.
  func isServable() async throws -> Bool {
    guard isServing else { return false }
    let findings = try await parts.comparison.findings()
    if findings.isEmpty { return true }
    for finding in findings { logger.critical("the databases don't agree", metadata: ["finding": "\(finding)"]) }
    suspect()
    return false
  }

  /// Watches until the service is asked to stop.
  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        let wait: Duration = await self.look() ? .milliseconds(250) : self.patience
        do { try await Task.sleep(for: wait) } catch { return }
      }
    }
  }

  /// Looks once; true when everything may be served.
  func look() async -> Bool {
    if isServing { return true }
    suspect()
    // All of them together: one that has only old connections may not have noticed.
    for pool in pools where pool.identityChange == nil { _ = try? await pool.recheckIdentity() }
    do {
      let fresh = try await ServerParts.open(
        parts.settings, as: "lethe-comparison", keyring: parts.keyring, logger: logger)
      let findings: [StartupComparison.Finding]
      do { findings = try await fresh.comparison.findings() } catch {
        await fresh.close()
        throw error
      }
      let identities = [fresh.data.identity, fresh.worker.identity, fresh.vault.identity]
      await fresh.close()
      guard findings.isEmpty else {
        say(
          "a database is behind what was published or erased; nothing is served until `lethe recover` has run",
          findings.map(\.description).joined(separator: "; "))
        return false
      }
      for (pool, identity) in zip(pools, identities) {
        if let identity { pool.accept(identity) }
      }
      state.withLock { $0 = State() }
      logger.notice("the databases are as they were published; serving again")
      // Another change meanwhile has halted a pool again.
      return isServing
    } catch {
      say("a database changed, and can't be compared yet", "\(error)")
      return false
    }
  }

  /// Says it once, however often it is found.
  private func say(_ line: Logger.Message, _ why: String) {
    let isNews = state.withLock { state in
      defer { state.said = why }
      return state.said != why
    }
    if isNews { logger.critical(line, metadata: ["why": "\(why)"]) }
  }
}

/// Answers 503 for everything but health while the databases may not be served.
struct TimelineMiddleware: RouterMiddleware {
  typealias Context = APIContext

  let timeline: TimelineGuard

  func handle(
    _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
  ) async throws -> Response {
    guard timeline.isServing || request.uri.path.hasPrefix("/health/") else {
      throw CustodyError(.unavailable, field: "recovery")
    }
    return try await next(request, context)
  }
}
