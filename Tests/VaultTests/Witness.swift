import Synchronization

/// What guarded memory holds when it is given back.
final class Witness: Sendable {
  private let seen = Mutex<[[UInt8]]>([])
  var releases: [[UInt8]] { seen.withLock { $0 } }
  func see(_ bytes: UnsafeRawBufferPointer) { seen.withLock { $0.append(Array(bytes)) } }
}
