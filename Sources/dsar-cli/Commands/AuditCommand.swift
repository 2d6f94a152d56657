import ArgumentParser

/// `dsar audit`.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "The tenant's audit log: copy it, and verify the copy offline.",
    discussion: """
      EXAMPLES
        dsar audit export --out archive
        dsar audit verify archive --key @vkey
      """,
    subcommands: [AuditExportCommand.self, AuditVerifyCommand.self])
}
