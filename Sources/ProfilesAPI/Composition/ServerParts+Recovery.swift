public import Custody
public import Logging
import SubjectRights

extension ServerParts {
  /// A recovery of these parts. Open them as `lethe-recover`, so that a running service is noticed.
  ///
  /// - Parameters:
  ///   - progress: told a line for each thing that is begun.
  ///   - afterStep: called when a step is committed; for fault injection.
  public func recovery(
    logger: Logger, progress: @escaping @Sendable (String) -> Void = { _ in },
    afterStep: @escaping @Sendable (RecoveryStep) throws -> Void = { _ in }
  ) -> Recovery {
    Recovery(
      custody: custody, checkpointer: checkpointer, ledger: ledger, erasures: RecoveredErasures(custody: custody),
      logger: logger, progress: progress, afterStep: afterStep)
  }

  /// The comparison of these parts.
  public var comparison: StartupComparison {
    StartupComparison(custody: custody, checkpointer: checkpointer, ledger: ledger)
  }
}
