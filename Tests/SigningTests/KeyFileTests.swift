import Foundation
import Signing
import Testing

@Suite("The signing key's file")
struct KeyFileTests {
  @Test("a created file is the owner's alone and loads as the same key")
  func roundTrip() async throws {
    try await OpenSSLCommand.with { folder in
      let path = folder.path("signing.pem")
      let key = try SigningKeyFile.create(at: path)
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes[.posixPermissions] as? Int == 0o600)
      #expect(try SigningKeyFile.load(from: path).publicKey == key.publicKey)
      #expect(key.algorithm == .ed25519)
      #expect(try folder.text("signing.pem").hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
    }
  }

  @Test("a P-256 key file loads as well")
  func p256() async throws {
    try await OpenSSLCommand.with { folder in
      let key = try SigningKey.generate(.es256)
      try folder.write(key.privatePEM(), "key")
      #expect(chmod(folder.path("key"), 0o400) == 0)
      #expect(try SigningKeyFile.load(from: folder.path("key")).publicKey == key.publicKey)
    }
  }

  @Test("nothing that exists is overwritten, not even through a dangling link")
  func exists() async throws {
    try await OpenSSLCommand.with { folder in
      try folder.write([1, 2, 3], "taken")
      try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "nowhere")
      for name in ["taken", "link"] {
        let error = #expect(throws: SigningError.self) { try SigningKeyFile.create(at: folder.path(name)) }
        #expect(error?.code == .fileExists)
      }
      #expect(try folder.read("taken") == [1, 2, 3])
      #expect(!FileManager.default.fileExists(atPath: folder.path("nowhere")))
    }
  }

  @Test("a folder that isn't there takes no key")
  func noFolder() async throws {
    try await OpenSSLCommand.with { folder in
      let error = #expect(throws: SigningError.self) { try SigningKeyFile.create(at: folder.path("a/b")) }
      #expect(error?.code == .fileUnwritable)
    }
  }

  @Test(
    "each unfit file is refused with its own reason",
    arguments: SigningError.Code.allCases.filter {
      [.fileMissing, .fileIsLink, .fileNotRegular, .fileExposed, .fileTooLarge, .fileMalformed].contains($0)
    })
  func unfit(code: SigningError.Code) async throws {
    try await OpenSSLCommand.with { folder in
      let path = folder.path("key")
      switch code {
      case .fileMissing: break
      case .fileIsLink:
        _ = try SigningKeyFile.create(at: folder.path("real"))
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "real")
      case .fileNotRegular: #expect(mkfifo(path, 0o600) == 0)
      case .fileExposed:
        _ = try SigningKeyFile.create(at: path)
        #expect(chmod(path, 0o640) == 0)
      case .fileTooLarge:
        try folder.write([UInt8](repeating: 0x2D, count: SigningKeyFile.maximumBytes + 1), "key")
        #expect(chmod(path, 0o600) == 0)
      default:
        try folder.write(Array("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".utf8), "key")
        #expect(chmod(path, 0o600) == 0)
      }
      let error = #expect(throws: SigningError.self) { try SigningKeyFile.load(from: path) }
      #expect(error?.code == code)
      #expect(error?.path == path)
      #expect(error?.description.contains(path) == true)
    }
  }

  @Test("access for others alone is refused, and so is a folder", arguments: [0o604, 0o601, 0o620, 0o610] as [mode_t])
  func exposed(mode: mode_t) async throws {
    try await OpenSSLCommand.with { folder in
      _ = try SigningKeyFile.create(at: folder.path("key"))
      #expect(chmod(folder.path("key"), mode) == 0)
      let exposed = #expect(throws: SigningError.self) { try SigningKeyFile.load(from: folder.path("key")) }
      #expect(exposed?.code == .fileExposed)
      let isFolder = #expect(throws: SigningError.self) { try SigningKeyFile.load(from: folder.folder.path) }
      #expect(isFolder?.code == .fileNotRegular)
    }
  }

  @Test("an error is one line and shows nothing of the file")
  func description() async throws {
    try await OpenSSLCommand.with { folder in
      let error = #expect(throws: SigningError.self) { try SigningKeyFile.load(from: folder.path("a\nb\u{1B}[31m")) }
      let text = try #require(error?.description)
      #expect(text == "signing key file \(folder.path("a?b?[31m")): does not exist")
    }
  }
}
