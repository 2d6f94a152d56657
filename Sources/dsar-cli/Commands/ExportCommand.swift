import ArgumentParser
import StrictJSON

/// `dsar export`.
struct ExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Download the package of a completed access or portability request.",
    discussion: """
      Every file is compared with the manifest (length and SHA-256) before anything is written. The folder and the files
      are yours alone; they hold personal data: hand them over, then delete them.

      EXAMPLES
        dsar export ID --out package
      """)

  @Argument(help: ArgumentHelp("The request.", valueName: "id")) var id: ResourceID
  @Option(help: ArgumentHelp("The folder to make.", valueName: "dir")) var out: String
  @Flag(help: "Write into a folder that is there already.") var force = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      let folder = PackageFolder(path: out)
      try folder.prepare(force: force)
      try await ServiceClient.with(sessions) { client in
        let bytes = try await client.bytes("/privacy/data/\(id)/package", maximumBytes: AccessPackage.maximumBytes)
        let written = try folder.write(AccessPackage(checking: bytes, request: id.text))
        guard output.json else {
          Console.standard.table(["FILE", "BYTES"], written.map { ["\(out)/\($0.name)", String($0.bytes)] })
          return
        }
        let files = written.map {
          JSONValue.object([JSONMember("name", .string($0.name)), JSONMember("bytes", .integer(Int64($0.bytes)))])
        }
        Console.standard.say(
          json: .object([
            JSONMember("request_id", .string(id.text)), JSONMember("folder", .string(out)),
            JSONMember("files", .array(files)),
          ]))
      }
    }
  }
}
