import CProcess
import Foundation
import Glibc

/// A child in a process group of its own, started and awaited by one dedicated thread, without a shell.
///
/// The thread lives as long as the child on purpose: a parent-death signal follows the thread that started the child,
/// not the process. The child gets the descriptors it is given and no other, and none of our environment.
public final class ChildProcess: Sendable {
  /// The child's number, its own until its end was awaited.
  public let processID: Int32
  private let exit = ExitLatch()

  private init(processID: pid_t) { self.processID = processID }

  /// Starts a program given by its full path.
  ///
  /// - Parameters:
  ///   - arguments: the program's full path, then its words. Every user of the machine can read them.
  ///   - environment: variables beside `PATH`, `LC_ALL` and `TZ`. Only this user and root can read them.
  ///   - input: a descriptor for standard input, which is empty without it.
  ///   - output: a descriptor for standard output, and for the errors when `errors` is nil.
  ///   - workingFolder: where it runs.
  /// - Throws: `.failed` when it can't be started. The caller keeps its descriptors, and may close them after the call.
  public static func start(
    _ arguments: [String], environment: [String: String] = [:], input: CInt? = nil, output: CInt,
    errors: CInt? = nil, workingFolder: String
  ) throws(ProgramError) -> ChildProcess {
    let handover = Handover()
    Thread {
      do throws(ProgramError) {
        let child = ChildProcess(
          processID: try spawn(
            arguments, environment: environment, input: input, output: output, errors: errors ?? output,
            workingFolder: workingFolder))
        handover.put(.success(child))
        child.exit.openAfterExit(of: child.processID)
      } catch {
        handover.put(.failure(error))
      }
    }.start()
    return try handover.take().get()
  }

  /// Runs a program to its end, with `input` as its standard input, and returns what it wrote.
  public static func run(_ arguments: [String], input: String) throws(ProgramError) -> String {
    let files = try [MemoryFile(input), MemoryFile(), MemoryFile()]
    let child = try start(
      arguments, input: files[0].descriptor, output: files[1].descriptor, errors: files[2].descriptor,
      workingFolder: "/")
    let status = child.exitStatus()
    guard status == 0 else {
      let complaint = files[2].text().split(separator: "\n").first { $0.contains("ERROR") || $0.contains("error") }
      throw ProgramError(.failed, "\(arguments[0]) failed: \(complaint.map(String.init) ?? "status \(status)")")
    }
    return files[1].text()
  }

  /// Whether the child has ended.
  public var hasExited: Bool { exit.status(within: 0) != nil }

  /// Blocks until the child has ended; the status as `waitpid` gives it, 0 for a success.
  public func exitStatus() -> CInt { exit.status(within: nil) ?? -1 }

  /// Blocks until the child has ended or so many seconds have passed; whether it has ended.
  public func waitForExit(seconds: Double) -> Bool { exit.status(within: seconds) != nil }

  /// Sends a signal, unless the child has been reaped and its number may be another's.
  public func signal(_ number: CInt) {
    exit.whileClosed { _ = kill(processID, number) }
  }

  private static func spawn(
    _ arguments: [String], environment: [String: String], input: CInt?, output: CInt, errors: CInt,
    workingFolder: String
  ) throws(ProgramError) -> pid_t {
    // The two structures are initialised here, used by one call, and destroyed on the way out.
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    if let input {
      unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, errors, 2)
    // Nothing else of ours, a keyring's file for instance, reaches the child.
    unsafe lethe_spawn_close_from(&actions, 3)
    unsafe lethe_spawn_change_folder(&actions, workingFolder)
    // Ignored or blocked signals would be inherited.
    var none = sigset_t()
    var all = sigset_t()
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

    // Copies of the words for the call; the child has its own after it.
    var words = unsafe arguments.map { unsafe strdup($0) }
    var variables = unsafe baseEnvironment.merging(environment) { _, given in given }
      .map { unsafe strdup("\($0.key)=\($0.value)") }
    defer { unsafe (words + variables).forEach { unsafe free($0) } }
    unsafe words.append(nil)
    unsafe variables.append(nil)
    var processID: pid_t = 0
    let failure = unsafe posix_spawn(&processID, arguments[0], &actions, &attributes, words, variables)
    guard failure == 0 else {
      throw ProgramError(.failed, "can't start \(arguments[0]) (errno \(failure))")
    }
    return processID
  }

  /// Enough to run, and nothing that could turn a connection or a message elsewhere: no PG…, no secrets of ours.
  private static let baseEnvironment = [
    "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC",
  ]
}

/// Passes the child, or the reason there is none, from the thread that starts it.
///
/// `@unchecked Sendable`: `value` is read and written with `condition` locked.
private final class Handover: @unchecked Sendable {
  private let condition = NSCondition()
  private var value: Result<ChildProcess, ProgramError>?

  func put(_ result: Result<ChildProcess, ProgramError>) {
    condition.withLock {
      value = result
      condition.broadcast()
    }
  }

  func take() -> Result<ChildProcess, ProgramError> {
    condition.withLock {
      while true {
        if let value { return value }
        condition.wait()
      }
    }
  }
}

/// The child's exit status once it has one.
///
/// `@unchecked Sendable`: `value` is read and written with `condition` locked.
private final class ExitLatch: @unchecked Sendable {
  private let condition = NSCondition()
  private var value: CInt?

  /// Blocks until the child has ended, then reaps it under the lock, so that `whileClosed` never signals a number that
  /// belongs to another process by then.
  func openAfterExit(of child: pid_t) {
    var information = unsafe siginfo_t()
    // Both calls write into locals lent for the call; the first leaves the child as a zombie.
    while unsafe waitid(P_PID, id_t(child), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
    condition.withLock {
      var status: CInt = 0
      while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
      value = status
      condition.broadcast()
    }
  }

  /// The status, waiting for it at most so long; nil waits without end.
  func status(within seconds: Double?) -> CInt? {
    condition.withLock {
      if let seconds {
        let limit = Date(timeIntervalSinceNow: seconds)
        while value == nil, condition.wait(until: limit) {}
      } else {
        while value == nil { condition.wait() }
      }
      return value
    }
  }

  func whileClosed(_ body: () -> Void) {
    condition.withLock { if value == nil { body() } }
  }
}
