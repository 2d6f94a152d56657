/// One file of an access package.
struct PackageFile: Sendable, Equatable {
  /// Letters a to z, digits, `_`, `.` and `-`; it doesn't begin with a dot.
  let name: String
  /// The content.
  let bytes: [UInt8]

  /// Whether a name can be a file's without leading anywhere else.
  static func isName(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count) && text.utf8.first != 0x2E
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x61...0x7A, 0x30...0x39, 0x5F, 0x2E, 0x2D: true
        default: false
        }
      }
  }
}
