import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One open file, or none when the number is negative; closed when it goes. Failures are told as an `errno`, 0 being
/// none.
struct OpenFile: ~Copyable {
  let number: Int32

  deinit { if number >= 0 { _ = close(number) } }

  /// What the system says of the open file, nil when it says nothing.
  var status: stat? {
    var status = stat()
    // The structure outlives the call.
    return unsafe fstat(number, &status) == 0 ? status : nil
  }

  /// Fills the buffer from the beginning of the file. `EIO` when the file ends before.
  @unsafe func read(into buffer: UnsafeMutableRawBufferPointer) -> Int32 {
    var done = 0
    // `done` never exceeds the buffer's length.
    while done < buffer.count, let start = buffer.baseAddress {
      let step = unsafe pread(number, start + done, buffer.count - done, off_t(done))
      if step < 0 && errno == EINTR { continue }
      guard step > 0 else { return step < 0 ? errno : EIO }
      done += step
    }
    return 0
  }

  /// Writes the buffer at the beginning of the file.
  @unsafe func write(_ buffer: UnsafeRawBufferPointer) -> Int32 {
    var done = 0
    // `done` never exceeds the buffer's length.
    while done < buffer.count, let start = buffer.baseAddress {
      let step = unsafe pwrite(number, start + done, buffer.count - done, off_t(done))
      if step < 0 && errno == EINTR { continue }
      guard step > 0 else { return step < 0 ? errno : EIO }
      done += step
    }
    return 0
  }

  /// Overwrites what the file holds with zeros and flushes them, as far as the file system lets it.
  func overwrite() {
    guard let length = status?.st_size, length > 0 else { return }
    let zeros = [UInt8](repeating: 0, count: Int(min(length, 65_536)))
    // The span covers the array for the time of the call. A failure leaves what can't be helped.
    _ = unsafe zeros.span.withUnsafeBytes { unsafe write($0) }
    _ = fsync(number)
  }
}
