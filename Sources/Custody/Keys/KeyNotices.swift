import Foundation
import Logging
import Postgres
public import Vault

extension Custody {
  /// Listens to the vault for destroyed keys and moved epochs until the vault's pool is shut down or the task is
  /// cancelled. Only while this runs are subject keys cached.
  public func followNotices() async {
    for await notice in keyStore.pool.notifications(channels: [KeyNotice.keyDestroyed, KeyNotice.epochsMoved]) {
      switch notice {
      case .reconnected:
        // Something may have been missed.
        keys.cache.follow()
        refreshKeyring()
      case .message(KeyNotice.keyDestroyed, let payload):
        if let owner = KeyNotice.owner(in: payload) { keys.cache.evict(owner) } else { keys.cache.follow() }
      case .message:
        refreshKeyring()
      }
    }
    keys.cache.pause()
  }

  /// Reads the keyring again if it changed, and drops the keys that nothing should need any more. Cheap; for once a
  /// minute, in case a notice was missed. Throws `VaultError` when the keyring can't be read.
  public func freshenKeys() throws {
    _ = try keyring.refresh()
    keys.dropStale()
  }

  /// What became of the cache's look-ups so far.
  public var keyCacheStatistics: KeyCache.Statistics { keys.cache.statistics }

  private func refreshKeyring() {
    do {
      if try keyring.refresh() { logger.notice("the keyring changed") }
      keys.dropStale()
    } catch {
      logger.error("the keyring can't be read again", metadata: ["error": "\(error)"])
    }
  }
}

/// What the vault database tells its listeners: channels, and payloads of ids only.
enum KeyNotice {
  /// A key was destroyed; the payload names its owner.
  static let keyDestroyed = "lethe_key_destroyed"
  /// A rotation changed which epochs there are.
  static let epochsMoved = "lethe_epochs_moved"

  /// `tenant/kind/id`.
  static func payload(_ owner: KeyOwner) -> String {
    "\(owner.tenant.uuidString)/\(owner.kind.rawValue)/\(owner.id.uuidString)"
  }

  /// Whose key the payload names.
  static func owner(in payload: String) -> KeyOwner? {
    let parts = payload.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 3, let tenant = UUID(uuidString: parts[0]), let number = UInt8(parts[1]),
      let kind = KeyOwner.Kind(rawValue: number), let id = UUID(uuidString: parts[2])
    else { return nil }
    return KeyOwner(kind: kind, tenant: tenant, id: id)
  }
}
