import ProfilesAPI

/// What the environment says of the audit log.
struct LogSettings {
  let heartbeatSeconds: Int?
  let immutableArchive: Bool
}

extension ServerSettings {
  /// The same settings with those of the log.
  func with(_ log: LogSettings) -> ServerSettings {
    var settings = self
    settings.heartbeatSeconds = log.heartbeatSeconds
    settings.immutableArchive = log.immutableArchive
    return settings
  }
}
