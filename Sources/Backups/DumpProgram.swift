import Foundation
import Glibc
import Postgres
import PostgresPrograms
import Synchronization

/// One run of `pg_dump` or `pg_restore`, which never sees more of us than its words, a password, and two descriptors.
///
/// The password travels in `PGPASSWORD`, which only this user and root can read; the command line is everybody's. The
/// variables by which libpq finds its files (`PGPASSFILE`, `PGSSLROOTCERT`, …) are those of this process, so that the
/// program connects as our own connections do.
struct DumpProgram: Sendable {
  let arguments: [String]
  let environment: [String: String]
  private let name: String

  /// A run that connects to no server.
  init(_ programs: InstalledPrograms, _ program: String, _ words: [String]) {
    name = program
    // The program ends with us, however we end; the thread that starts it lives as long as it does.
    let tie = InstalledPrograms.inPath("setpriv").map { [$0, "--pdeathsig", "TERM"] } ?? []
    arguments = tie + [programs.path(program)] + words
    environment = [:]
  }

  /// A run that connects to the database of a URL.
  init(_ programs: InstalledPrograms, _ program: String, _ words: [String], url: String) throws(BackupError) {
    let parameters: ConnectionParameters
    do throws(PostgresError) {
      parameters = try ConnectionParameters(url)
    } catch {
      throw BackupError(.connection, "a database's URL is none that \(program) can use (\(error.unsafeMessage))")
    }
    let run = DumpProgram(programs, program, words + ["--no-password", "--dbname=" + parameters.keywords])
    name = program
    arguments = run.arguments
    var variables = ProcessInfo.processInfo.environment.filter { $0.key.hasPrefix("PG") || $0.key == "HOME" }
    if let password = parameters.password { variables["PGPASSWORD"] = password }
    environment = variables
  }

  /// Runs it to its end.
  ///
  /// - Parameters:
  ///   - tick: called about every five seconds while it runs.
  /// - Throws: `.failed` with the first line of its complaint, `.cancelled` when the task was, `.programs` when it can't
  ///   be started.
  func run(
    input: CInt? = nil, output: CInt, tick: @escaping @Sendable () -> Void = {}
  ) async throws(BackupError) {
    let child = CancellableChild()
    let outcome = await withTaskCancellationHandler {
      await onOwnThread { () -> Result<Void, BackupError> in
        Result { () throws(BackupError) in
          let (process, errors) = try start(input: input, output: output)
          child.adopt(process)
          while !process.waitForExit(seconds: 5) { tick() }
          if child.isCancelled { throw BackupError(.cancelled, "\(name) was stopped") }
          try check(process, errors)
        }
      }
    } onCancel: {
      child.cancel()
    }
    try outcome.get()
  }

  /// Starts it and leaves the waiting to the caller.
  func start(input: CInt?, output: CInt) throws(BackupError) -> (ChildProcess, errors: MemoryFile) {
    do throws(ProgramError) {
      let errors = try MemoryFile()
      return (
        try ChildProcess.start(
          arguments, environment: environment, input: input, output: output, errors: errors.descriptor,
          workingFolder: "/"), errors
      )
    } catch {
      throw BackupError(.programs, error.description)
    }
  }

  /// Waits for the end, which must be a success.
  func check(_ process: ChildProcess, _ errors: MemoryFile) throws(BackupError) {
    let status = process.exitStatus()
    guard status == 0 else {
      throw BackupError(.failed, "\(name) failed: \(Complaint.first(in: errors.text()) ?? "status \(status)")")
    }
  }

  /// The programs of a server's version.
  static func programs(major: Int, for database: BackedUpDatabase) throws(BackupError) -> InstalledPrograms {
    do throws(ProgramError) {
      return try InstalledPrograms.find(.client, major: major)
    } catch {
      throw BackupError(
        .programs, "the \(database.rawValue) database's server is PostgreSQL \(major): \(error.description)")
    }
  }
}

/// What a program complained of, without values.
enum Complaint {
  /// The first line that is an error, at most 300 characters. PostgreSQL quotes a value after a colon
  /// (`invalid input syntax for type uuid: "…"`), a name after a word (`role "lethe_app"`): only names are kept.
  static func first(in text: String) -> String? {
    let lines = text.split(whereSeparator: \.isNewline)
    let line = lines.first { $0.contains("error:") || $0.contains("ERROR:") || $0.contains("FATAL:") } ?? lines.last
    guard let line else { return nil }
    let kept = line.firstRange(of: ": \"").map { line[..<$0.lowerBound] } ?? line
    return String(kept.prefix(300))
  }
}

/// A child that a cancelled task stops, whichever of the two comes first.
private final class CancellableChild: Sendable {
  private struct State {
    var child: ChildProcess?
    var isCancelled = false
  }

  private let state = Mutex(State())

  var isCancelled: Bool { state.withLock(\.isCancelled) }

  func adopt(_ child: ChildProcess) {
    let isCancelled = state.withLock { state in
      state.child = child
      return state.isCancelled
    }
    if isCancelled { child.signal(SIGTERM) }
  }

  func cancel() {
    let child = state.withLock { state in
      state.isCancelled = true
      return state.child
    }
    child?.signal(SIGTERM)
  }
}
