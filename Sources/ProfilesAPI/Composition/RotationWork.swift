import Custody
import Foundation
import Logging
import ServiceLifecycle
import Vault

/// Rotates epochs when it is time, and carries on what another process began; one replica at a time.
struct RotationWork: Service {
  let parts: ServerParts
  let timeline: TimelineGuard
  let logger: Logger

  /// Looks once a minute, and sooner when it could not look, until the service is asked to stop. A rotation that is
  /// under way then is left to the next start.
  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        var pause = Duration.seconds(60)
        do {
          if try await !rotateIfDue() { pause = .seconds(5) }
        } catch is CancellationError {
          return
        } catch {
          logger.error("a rotation did not go on", metadata: ["error": "\(error)"])
          pause = .seconds(5)
        }
        do { try await Task.sleep(for: pause) } catch { return }
      }
    }
  }

  /// False while nothing is served, and it can't be told.
  private func rotateIfDue() async throws -> Bool {
    guard timeline.isServing else { return false }
    let custody = parts.custody
    let schedule = RotationSchedule(days: parts.settings.rotationDays)
    guard schedule.days != nil, let active = custody.keyringEpochs.last else { return true }
    let isUnderWay = try await custody.rotation() != nil
    guard isUnderWay || schedule.isDue(active, now: Int64(Date().timeIntervalSince1970)) else { return true }
    let rotation = Rotation(
      custody: custody, backups: parts.settings.vaultBackups,
      // The service has other things to do: at most 5,000 keys a second.
      options: Rotation.Options(keysPerSecond: 5_000, requiredStandbys: parts.settings.requiredStandbys))
    switch try await rotation.run() {
    case .retired(let epoch): logger.notice("an epoch is retired", metadata: ["epoch": "\(epoch.rawValue)"])
    case .waiting(let obstacle): logger.warning("a rotation waits", metadata: ["for": "\(obstacle)"])
    case .busy: break
    }
    return true
  }
}

/// Listens for destroyed keys and moved epochs while the service runs.
struct KeyNoticesWork: Service {
  let custody: Custody

  func run() async throws {
    await cancelWhenGracefulShutdown { await custody.followNotices() }
  }
}
