import Logging
import Vault

/// Keeps this process's memory out of core dumps and debuggers, and says what could not be done.
enum Hardening {
  static func apply(_ logger: Logger) {
    for gap in ProcessHardening.apply() { logger.warning("hardening is incomplete", metadata: ["gap": "\(gap)"]) }
  }
}
