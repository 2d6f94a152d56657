import CSodium

/// What a process that holds keys does before it reads the first one.
public enum ProcessHardening {
  /// Forbids core dumps and debuggers of the same user, and raises the limit of locked memory as far as allowed.
  /// Returns what could not be done, one sentence each and without secrets, for the operator's log; empty when all
  /// was. Processes that are started later inherit the core size of zero, not the rest.
  ///
  /// Afterwards the process's own entries in `/proc` belong to root, so it can't read some of them itself.
  public static func apply() -> [String] {
    var undone: [String] = []
    note(lethe_forbid_dumps(), "memory dumps of this process could not be forbidden", in: &undone)
    note(lethe_forbid_core_files(), "the size of core files could not be set to zero", in: &undone)
    note(lethe_raise_locked_memory(), "the limit of locked memory could not be raised", in: &undone)
    do {
      if try !GuardedBytes(count: 1).isLocked {
        undone.append("memory cannot be locked: keys may reach the swap space (RLIMIT_MEMLOCK)")
      }
    } catch {
      undone.append(error.description)
    }
    return undone
  }

  /// Whether the system still lets others dump this process.
  static var allowsDumps: Bool { lethe_may_be_dumped() != 0 }

  private static func note(_ systemError: Int32, _ sentence: String, in undone: inout [String]) {
    if systemError != 0 { undone.append("\(sentence) (errno \(systemError))") }
  }
}
