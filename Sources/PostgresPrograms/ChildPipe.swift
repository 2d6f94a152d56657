import CProcess
import Glibc

/// A pipe from a child to us, which no other child inherits.
///
/// Close the end for writing once the child has it: reading ends when nobody holds it any more.
public struct ChildPipe: Sendable {
  /// To read from; the owner closes it.
  public let reading: Int32
  /// To give to the child; the owner closes it.
  public let writing: Int32

  /// - Throws: `.failed` with the error number.
  public init() throws(ProgramError) {
    var ends: [CInt] = [0, 0]
    // Writes two numbers into the array lent for the call.
    guard unsafe lethe_pipe(&ends) == 0 else { throw ProgramError(.failed, "can't make a pipe (errno \(errno))") }
    (reading, writing) = (ends[0], ends[1])
  }
}
