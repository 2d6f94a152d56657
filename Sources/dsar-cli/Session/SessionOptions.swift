import ArgumentParser
import Foundation
import Tokens

/// Which session a command uses.
struct SessionOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The session to use instead of the current one (or DSAR_SESSION).", valueName: "name"))
  var session: String?

  /// The name that was given, here or in the environment.
  func name(environment: [String: String] = ProcessInfo.processInfo.environment) -> String? {
    session ?? environment["DSAR_SESSION"].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The session to act with.
  func load(environment: [String: String] = ProcessInfo.processInfo.environment) throws(Failure) -> Session {
    try SessionFolder(environment: environment).session(
      named: name(environment: environment), now: UnixClock.now())
  }
}
