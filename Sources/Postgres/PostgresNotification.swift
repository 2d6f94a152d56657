/// What a listener hears.
public enum PostgresNotification: Sendable, Hashable {
  /// Somebody's NOTIFY on one of the channels.
  case message(channel: String, payload: String)
  /// From here on nothing is missed; before it something may have been. Drop what is cached.
  case reconnected
}
