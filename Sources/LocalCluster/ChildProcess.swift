import CProcess
import Foundation
import Glibc

/// A child in a process group of its own, started and awaited by one dedicated thread.
///
/// The thread lives as long as the child on purpose: a parent-death signal follows the thread that started the child,
/// not the process.
final class ChildProcess: Sendable {
  let processID: pid_t
  private let exit = ExitLatch()

  private init(processID: pid_t) { self.processID = processID }

  /// Starts a program given by its full path. Standard input is empty; output and errors go to `output`.
  static func start(
    _ arguments: [String], input: CInt? = nil, output: CInt, errors: CInt? = nil, workingFolder: String
  ) throws(LocalClusterError) -> ChildProcess {
    let handover = Handover()
    Thread {
      do throws(LocalClusterError) {
        let child = ChildProcess(
          processID: try spawn(
            arguments, input: input, output: output, errors: errors ?? output, workingFolder: workingFolder))
        handover.put(.success(child))
        child.exit.openAfterExit(of: child.processID)
      } catch {
        handover.put(.failure(error))
      }
    }.start()
    return try handover.take().get()
  }

  /// Runs a program to its end, with `input` as its standard input, and returns what it wrote.
  static func run(_ arguments: [String], input: String) throws(LocalClusterError) -> String {
    let files = try [memoryFile(input), memoryFile(""), memoryFile("")]
    defer { for file in files { close(file) } }
    let child = try start(arguments, input: files[0], output: files[1], errors: files[2], workingFolder: "/")
    let status = child.exitStatus()
    guard status == 0 else {
      let complaint = contents(files[2]).split(separator: "\n").first { $0.contains("ERROR") || $0.contains("error") }
      throw LocalClusterError(.failed, "\(arguments[0]) failed: \(complaint.map(String.init) ?? "status \(status)")")
    }
    return contents(files[1])
  }

  var hasExited: Bool { exit.status(within: 0) != nil }

  /// Blocks until the child has ended; the status as `waitpid` gives it.
  func exitStatus() -> CInt { exit.status(within: nil) ?? -1 }

  func waitForExit(seconds: Double) -> Bool { exit.status(within: seconds) != nil }

  /// Sends a signal, unless the child has been reaped and its number may be another's.
  func signal(_ number: CInt) {
    exit.whileClosed { _ = kill(processID, number) }
  }

  private static func spawn(
    _ arguments: [String], input: CInt?, output: CInt, errors: CInt, workingFolder: String
  ) throws(LocalClusterError) -> pid_t {
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
    var variables = unsafe childEnvironment.map { unsafe strdup($0) }
    defer { unsafe (words + variables).forEach { unsafe free($0) } }
    unsafe words.append(nil)
    unsafe variables.append(nil)
    var processID: pid_t = 0
    let failure = unsafe posix_spawn(&processID, arguments[0], &actions, &attributes, words, variables)
    guard failure == 0 else {
      throw LocalClusterError(.failed, "can't start \(arguments[0]) (errno \(failure))")
    }
    return processID
  }

  /// Enough to run, and nothing that could turn a connection or a message elsewhere: no PG…, no secrets of ours.
  private static let childEnvironment = ["PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"]

  /// An unnamed file in memory, holding `text` and read from its start.
  private static func memoryFile(_ text: String) throws(LocalClusterError) -> CInt {
    let file = lethe_memory_file()
    guard file >= 0 else { throw LocalClusterError(.failed, "can't make a file in memory (errno \(errno))") }
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      // Reads within the slice lent for the call.
      let count = unsafe bytes[start...].withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
      guard count > 0 else {
        close(file)
        throw LocalClusterError(.failed, "can't fill a file in memory (errno \(errno))")
      }
      start += count
    }
    lseek(file, 0, SEEK_SET)
    return file
  }

  private static func contents(_ file: CInt) -> String {
    lseek(file, 0, SEEK_SET)
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Reads at most the array's length into memory lent for the call.
      let count = unsafe read(file, &part, part.count)
      guard count > 0 else { break }
      bytes += part.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Passes the child, or the reason there is none, from the thread that starts it.
///
/// `@unchecked Sendable`: `value` is read and written with `condition` locked.
private final class Handover: @unchecked Sendable {
  private let condition = NSCondition()
  private var value: Result<ChildProcess, LocalClusterError>?

  func put(_ result: Result<ChildProcess, LocalClusterError>) {
    condition.withLock {
      value = result
      condition.broadcast()
    }
  }

  func take() -> Result<ChildProcess, LocalClusterError> {
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
