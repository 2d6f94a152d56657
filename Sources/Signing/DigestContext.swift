import COpenSSL
import Glibc

/// One digest context for each thread, so that hashing a short message allocates nothing.
///
/// The context is used between two statements of synchronous code only, so no other task can meet it half used.
enum ThreadDigest {
  // The key owns a context in each thread that hashed something; the thread's end frees it.
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let result = unsafe pthread_key_create(&key) { context in
      unsafe EVP_MD_CTX_free(context.map { OpaquePointer($0) })
    }
    precondition(result == 0, "no thread-specific key left")
    return key
  }()

  @unsafe static func hash(prefix: UInt8?, _ bytes: UnsafeRawBufferPointer) -> SHA256Digest {
    let context = unsafe current()
    unsafe DigestContext.begin(context)
    if var prefix {
      unsafe withUnsafeBytes(of: &prefix) { unsafe DigestContext.update(context, $0) }
    }
    unsafe DigestContext.update(context, bytes)
    return unsafe DigestContext.finish(context)
  }

  @unsafe private static func current() -> OpaquePointer {
    if let known = unsafe pthread_getspecific(key) { return OpaquePointer(known) }
    let fresh = unsafe DigestContext.make()
    let result = unsafe pthread_setspecific(key, UnsafeRawPointer(fresh))
    precondition(result == 0, "no memory for a thread's digest context")
    return unsafe fresh
  }
}

/// The four steps of an EVP digest. They fail only without memory or without a provider for SHA-256; nothing here
/// can go on then, and a wrong digest must never be returned, so failing stops the process.
enum DigestContext {
  @unsafe static func make() -> OpaquePointer {
    guard let context = unsafe EVP_MD_CTX_new() else { preconditionFailure("no memory for a digest context") }
    return unsafe context
  }

  @unsafe static func begin(_ context: OpaquePointer) {
    let result = unsafe EVP_DigestInit_ex2(context, Algorithms.sha256, nil)
    precondition(result == 1, "OpenSSL can't begin a SHA-256")
  }

  @unsafe static func update(_ context: OpaquePointer, _ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, unsafe !bytes.isEmpty else { return }
    let result = unsafe EVP_DigestUpdate(context, base, bytes.count)
    precondition(result == 1, "OpenSSL can't continue a SHA-256")
  }

  @unsafe static func finish(_ context: OpaquePointer) -> SHA256Digest {
    // 32 bytes are written by OpenSSL, then read.
    unsafe withUnsafeTemporaryAllocation(byteCount: SHA256Digest.byteCount, alignment: 8) { buffer in
      let output = unsafe buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
      let result = unsafe EVP_DigestFinal_ex(context, output, nil)
      precondition(result == 1, "OpenSSL can't finish a SHA-256")
      return unsafe SHA256Digest(reading: UnsafeRawBufferPointer(buffer))
    }
  }
}

/// Algorithms fetched from their provider once for the life of the process; fetching is slow and takes locks.
enum Algorithms {
  // Immutable after the fetch and never freed, so any thread may read it.
  nonisolated(unsafe) static let sha256: OpaquePointer = {
    guard let digest = unsafe EVP_MD_fetch(nil, "SHA256", nil) else {
      preconditionFailure("OpenSSL has no SHA-256")
    }
    return unsafe digest
  }()
}
