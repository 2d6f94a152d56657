import ArgumentParser

/// `lethe-bench`.
@main
struct LetheBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lethe-bench", abstract: "Measures lethe's parts beside the libraries below them.",
    subcommands: [MeasureCommand.self, ServeChildCommand.self, RotateChildCommand.self, VerifyChildCommand.self],
    defaultSubcommand: MeasureCommand.self)
}
