import Foundation
import Signing
import StrictJSON
import Testing

@testable import dsar

@Suite("access packages")
struct AccessPackageTests {
  private static let request = "7a0df9dc-9d53-40a6-9a0f-919cfb5331b4"

  /// A package that can be spoiled before it is written.
  private struct Sample {
    var schema = "access-package/v1"
    var request = AccessPackageTests.request
    var manifest: [JSONValue]
    var files: [JSONMember]

    init() {
      let contents = [("profile.json", "{\"full_name\": \"Ελένη\"}"), ("profile.csv", "field,value\n")]
      manifest = contents.map { Self.entry($0.0, $0.1) }
      files = contents.map { JSONMember($0.0, .string($0.1)) }
    }

    static func entry(_ name: String, _ content: String, bytes: Int? = nil, sha256: String? = nil) -> JSONValue {
      [
        "name": .string(name), "media_type": "text/plain", "bytes": .integer(Int64(bytes ?? content.utf8.count)),
        "sha256": .string(sha256 ?? SHA256Digest.hash(Array(content.utf8)).hex),
      ]
    }

    var bytes: [UInt8] {
      let value: JSONValue = [
        "schema": .string(schema), "request_id": .string(request), "manifest": .array(manifest),
        "files": .object(files),
      ]
      return Array(value.prettyText().utf8)
    }
  }

  private func differences(_ change: (inout Sample) -> Void) async -> [String]? {
    var sample = Sample()
    change(&sample)
    let bytes = sample.bytes
    let failure = await failure { _ = try AccessPackage(checking: bytes, request: Self.request) }
    #expect(failure?.status == .packageDiffers)
    return failure?.details
  }

  @Test("a package that matches its manifest gives its files in the manifest's order")
  func good() throws {
    let package = try AccessPackage(checking: Sample().bytes, request: Self.request)
    #expect(package.files.map(\.name) == ["profile.json", "profile.csv"])
    #expect(String(decoding: package.files[0].bytes, as: UTF8.self) == "{\"full_name\": \"Ελένη\"}")
  }

  @Test("a changed byte, a wrong length, a missing file and one too many are each found, with status 3")
  func different() async {
    #expect(await differences { $0.files[1].value = "field,valuE\n" } == ["profile.csv: its SHA-256 differs"])
    #expect(
      await differences { $0.manifest[1] = Sample.entry("profile.csv", "field,value\n", bytes: 11) }
        == ["profile.csv: its length differs"])
    #expect(await differences { $0.files.remove(at: 0) } == ["profile.json: in the manifest, not in the package"])
    #expect(await differences { $0.manifest.remove(at: 0) } == ["1 in the package, not in the manifest"])
    #expect(
      await differences { sample in
        sample.manifest = []
        sample.files = []
      } == [])
  }

  @Test(
    "a name that could lead out of the folder is no name",
    arguments: ["../x", "a/b", ".profile", "..", "", "A.json", "a\\b", "a b", "ü", String(repeating: "a", count: 129)])
  func names(name: String) async {
    #expect(!PackageFile.isName(name))
    let found = await differences { sample in
      sample.manifest.append(Sample.entry(name, "x"))
      sample.files.append(JSONMember(name, "x"))
    }
    #expect(found?.first == "manifest entry 2: not a file name that is accepted here")
  }

  @Test("a name twice in the manifest is refused")
  func twice() async {
    let found = await differences { $0.manifest.append($0.manifest[0]) }
    #expect(found == ["manifest entry 2: not a file name that is accepted here"])
  }

  @Test("another schema, another request, and what isn't JSON are refused")
  func foreign() async {
    #expect(await differences { $0.schema = "access-package/v2" } == [])
    #expect(await differences { $0.request = "00000000-0000-4000-8000-000000000000" } == [])
    #expect(
      await failure { _ = try AccessPackage(checking: Array("no".utf8), request: Self.request) }?.status
        == .packageDiffers)
  }

  @Test("the folder and the files are for this user only, and a folder that is there is left alone")
  func writing() async throws {
    let scratch = try Scratch()
    let package = try AccessPackage(checking: Sample().bytes, request: Self.request)
    let folder = PackageFolder(path: scratch.file("package"))
    try folder.prepare(force: false)
    let written = try folder.write(package)
    #expect(written.map(\.name) == ["profile.json", "profile.csv", "manifest.json"])
    #expect(written[1].bytes == 12)
    #expect(try scratch.contents("package") == ["manifest.json", "profile.csv", "profile.json"])
    #expect(try scratch.mode("package") == 0o700)
    for name in written.map(\.name) { #expect(try scratch.mode("package/" + name) == 0o600) }
    #expect(try scratch.text("package/profile.csv") == "field,value\n")

    #expect(await failure { try folder.prepare(force: false) }?.status == .refused)
    try folder.prepare(force: true)
    try scratch.write("package/profile.csv", "old", mode: 0o644)
    _ = try folder.write(package)
    #expect(try scratch.text("package/profile.csv") == "field,value\n")
    #expect(try scratch.mode("package/profile.csv") == 0o600)
  }

  @Test("a link in the folder is replaced, not followed")
  func links() throws {
    let scratch = try Scratch()
    let elsewhere = try scratch.write("elsewhere", "untouched")
    try scratch.write("package/other", "")
    try FileManager.default.createSymbolicLink(
      atPath: scratch.file("package/profile.csv"), withDestinationPath: elsewhere)
    _ = try PackageFolder(path: scratch.file("package"))
      .write(AccessPackage(checking: Sample().bytes, request: Self.request))
    #expect(try scratch.text("elsewhere") == "untouched")
    #expect(try scratch.text("package/profile.csv") == "field,value\n")
  }
}
