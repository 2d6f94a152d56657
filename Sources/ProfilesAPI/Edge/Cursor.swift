import Foundation
import Signing

/// Where a list goes on: opaque to callers, a version byte and the last row's id.
struct Cursor {
  let last: UUID

  init(after last: UUID) { self.last = last }

  init?(_ text: String) {
    guard let bytes = StrictBase64.decode(text, .url), bytes.count == 17, bytes[0] == 1 else { return nil }
    let b = bytes.dropFirst().map { $0 }
    last = UUID(
      uuid: (
        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]
      ))
  }

  var text: String {
    let b = last.uuid
    return StrictBase64.encode(
      [1, b.0, b.1, b.2, b.3, b.4, b.5, b.6, b.7, b.8, b.9, b.10, b.11, b.12, b.13, b.14, b.15], .url)
  }
}
