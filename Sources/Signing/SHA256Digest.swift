/// The 32 bytes of a SHA-256 (FIPS 180-4), held in place: no allocation, cheap to copy, compare and hash.
///
/// A digest of public data; equality is not constant-time. For secrets use ``constantTimeEqual(_:_:)``.
public struct SHA256Digest: Sendable, Hashable, CustomStringConvertible {
  /// The length of every digest, in bytes.
  public static let byteCount = 32

  // The bytes in memory order, eight to a word.
  private let word0: UInt64
  private let word1: UInt64
  private let word2: UInt64
  private let word3: UInt64

  /// Takes exactly 32 bytes; nil for any other length.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    // The length was checked; the reads stay inside the array.
    self = unsafe bytes.withUnsafeBytes { unsafe SHA256Digest(reading: $0) }
  }

  /// Takes exactly 64 lower-case hexadecimal digits; nil for anything else.
  public init?(hex: String) {
    guard let bytes = Hex.decode(hex) else { return nil }
    self.init(bytes)
  }

  /// The 32 bytes.
  public var bytes: [UInt8] {
    // The closure writes all 32 bytes of the capacity before it says so.
    unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
      unsafe write(to: UnsafeMutableRawBufferPointer(buffer))
      count = Self.byteCount
    }
  }

  /// 64 lower-case hexadecimal digits.
  public var hex: String { Hex.encode(bytes) }

  /// 44 characters of padded standard base64 (RFC 4648 §4), as logs and checkpoints write it.
  public var base64: String { StrictBase64.encode(bytes, .standard) }

  /// The same as ``hex``: a digest is public.
  public var description: String { hex }

  /// SHA-256 of the bytes.
  public static func hash(_ bytes: [UInt8]) -> SHA256Digest {
    // The pointer is valid for the call.
    unsafe bytes.withUnsafeBytes { unsafe hash($0) }
  }

  /// SHA-256 of borrowed memory, which must stay valid and unchanged during the call.
  @unsafe public static func hash(_ bytes: UnsafeRawBufferPointer) -> SHA256Digest {
    unsafe ThreadDigest.hash(prefix: nil, bytes)
  }

  /// SHA-256(prefix ‖ bytes): a Merkle leaf with prefix 0x00 (RFC 9162 §2.1.1).
  public static func hash(prefix: UInt8, _ bytes: [UInt8]) -> SHA256Digest {
    // The pointer is valid for the call.
    unsafe bytes.withUnsafeBytes { unsafe ThreadDigest.hash(prefix: prefix, $0) }
  }

  /// SHA-256(prefix ‖ left ‖ right): a Merkle node with prefix 0x01 (RFC 9162 §2.1.1).
  public static func hash(prefix: UInt8, _ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
    // All 65 bytes of the temporary memory are written before they are read.
    unsafe withUnsafeTemporaryAllocation(byteCount: 1 + 2 * byteCount, alignment: 8) { buffer in
      unsafe buffer[0] = prefix
      unsafe left.write(to: UnsafeMutableRawBufferPointer(rebasing: buffer[1..<33]))
      unsafe right.write(to: UnsafeMutableRawBufferPointer(rebasing: buffer[33..<65]))
      return unsafe ThreadDigest.hash(prefix: nil, UnsafeRawBufferPointer(buffer))
    }
  }

  /// Reads 32 bytes; `buffer` must hold at least as many.
  @unsafe init(reading buffer: UnsafeRawBufferPointer) {
    unsafe word0 = buffer.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
    unsafe word1 = buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    unsafe word2 = buffer.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
    unsafe word3 = buffer.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
  }

  /// Writes 32 bytes; `buffer` must hold at least as many.
  @unsafe private func write(to buffer: UnsafeMutableRawBufferPointer) {
    unsafe buffer.storeBytes(of: word0, toByteOffset: 0, as: UInt64.self)
    unsafe buffer.storeBytes(of: word1, toByteOffset: 8, as: UInt64.self)
    unsafe buffer.storeBytes(of: word2, toByteOffset: 16, as: UInt64.self)
    unsafe buffer.storeBytes(of: word3, toByteOffset: 24, as: UInt64.self)
  }
}
