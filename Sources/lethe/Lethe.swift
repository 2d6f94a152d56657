import ArgumentParser

/// The operator's program.
@main
struct Lethe: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lethe",
    abstract: "Keeps personal data so that it can be forgotten.",
    discussion: """
      Configuration is read from the environment; README.md has the table.

      EXIT STATUS
        0  done
        1  refused or failed: one line on standard error says why
        64 the command line is wrong

      EXAMPLES
        lethe dev                      a whole service on this machine, with synthetic people
        lethe migrate                  bring both databases up to date (owner roles)
        lethe keys init                make the keyring and the log's signing key
        lethe tenant create --kind merchant --name "Example Ltd"
        lethe serve                    answer requests
        lethe backup                   dump both databases, without the keyring
        lethe recover                  bring restored databases up to what was published and erased
      """,
    version: Version.text,
    subcommands: [
      ServeCommand.self, DevCommand.self, MigrateCommand.self, KeysCommand.self, TenantCommand.self,
      ArchiveCommand.self, BackupCommand.self, RestoreCommand.self, RecoverCommand.self,
      HoldCommand.self,
    ])
}

/// This program's version.
enum Version {
  static let text = "0.1.0"
}
