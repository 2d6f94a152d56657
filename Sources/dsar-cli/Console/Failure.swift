import ArgumentParser

/// Why a command ends early: the exit status, and what people read about it. Never a token, a key, or a value of a
/// person.
struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
  /// The exit status.
  let status: ExitStatus
  /// One sentence.
  let line: String
  /// What belongs to it, a line each.
  let details: [String]

  /// Ends with `status` and one line.
  init(_ status: ExitStatus, _ line: String, details: [String] = []) {
    self.status = status
    self.line = line
    self.details = details
  }

  /// The sentence.
  var description: String { line }
}

/// Runs a command's body and turns every error into lines on standard error and an exit status.
func reporting(_ console: Console = .standard, _ body: () async throws -> Void) async throws {
  do {
    try await body()
  } catch let code as ExitCode {
    throw code
  } catch let error as ValidationError {
    throw error
  } catch let failure as Failure {
    console.note("dsar: \(failure.line)")
    for detail in failure.details { console.note("  \(detail)") }
    throw ExitCode(failure.status.rawValue)
  } catch {
    console.note("dsar: \(error)")
    throw ExitCode(ExitStatus.refused.rawValue)
  }
}
