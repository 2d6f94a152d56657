public import Logging
import Redaction
import Synchronization

/// The lines that a logger wrote, kept for a look.
public final class CapturedLog: Sendable {
  private let kept = Mutex<[String]>([])

  /// Empty.
  public init() {}

  /// Every line so far.
  public var lines: [String] { kept.withLock { $0 } }

  /// A logger of every level, through the masking handler, into this log.
  public var logger: Logger {
    var logger = Logger(label: "test") { label in
      JSONLogHandler(label: label, sink: { [self] line in kept.withLock { $0.append(line) } })
    }
    logger.logLevel = .trace
    return logger
  }
}
