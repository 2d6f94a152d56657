import ArgumentParser
import Audit
import Foundation
import Signing
import StrictJSON

/// `dsar audit witness`.
struct AuditWitnessCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "witness", abstract: "Witness a log: remember its checkpoints, and cosign those that continue them.",
    discussion: """
      A witness makes it impossible to show two logs to two people without its noticing. It belongs to somebody else
      than who runs the service, on another machine.

      EXAMPLES
        dsar audit witness init --name witness.example.com --key-file witness.pem
        dsar audit witness run --state state --key-file witness.pem --name witness.example.com --key @vkey
        dsar audit witness run --state state --key-file witness.pem --every 300
        dsar audit witness status --state state --json
      """,
    subcommands: [
      AuditWitnessInitCommand.self, AuditWitnessRunCommand.self, AuditWitnessStatusCommand.self,
      AuditWitnessListCommand.self,
    ])
}

/// `dsar audit witness init`.
struct AuditWitnessInitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make a witness's key.",
    discussion: """
      The key is Ed25519, in a file that only you can read; a file that is there is never replaced. What is printed is
      the verifier key, for the service's policies/witnesses.json and for everybody who relies on the witness.

      EXAMPLES
        dsar audit witness init --name witness.example.com --key-file witness.pem
      """)

  @Option(help: "The witness's name, such as a host's.") var name: String
  @Option(help: ArgumentHelp("The file for the private key.", valueName: "file")) var keyFile: String
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      // The name is tried with a key that is thrown away: a file with a key that nobody can use helps nobody.
      guard let trial = try? SigningKey.generate(.ed25519), (try? WitnessKey(name: name, key: trial.publicKey)) != nil
      else { throw Failure(.refused, "a witness's name has 1 to 255 bytes, without spaces and plus signs") }
      let witness: WitnessKey
      do {
        witness = try WitnessKey(name: name, key: try SigningKeyFile.create(at: keyFile).publicKey)
      } catch { throw Failure(.refused, "the key can't be made: \(error)") }
      guard output.json else { return Console.standard.say(witness.text) }
      Console.standard.say(json: ["witness": .string(witness.text), "key_file": .string(keyFile)])
    }
  }
}

/// `dsar audit witness run`.
struct AuditWitnessRunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Look at the newest checkpoint, and cosign it if it continues the one held.",
    discussion: """
      The checkpoint is verified (signature, a replaced key, consistency with the one held), kept durably, then signed
      and handed in. A log that is shorter than it was, or has other entries than it had, ends the witnessing of it for
      good: status 2, the evidence stays in the state folder, and nothing is signed from there any more.

      Each log has a state folder of its own. Losing one means that the next round takes whatever the service shows
      for the beginning; keep it as long as the key.

      EXAMPLES
        dsar audit witness run --state state --key-file witness.pem --name witness.example.com --key @vkey
        dsar audit witness run --state state --key-file witness.pem --every 300
      """)

  @Option(help: ArgumentHelp("What the witness remembers of this log.", valueName: "dir")) var state: String
  @Option(help: ArgumentHelp("The witness's private key.", valueName: "file")) var keyFile: String
  @Option(help: "The witness's name; needed for the first round.") var name: String?
  @Option(
    help: ArgumentHelp("A verifier key of the log, or @FILE with keys; may be repeated.", valueName: "vkey|@file"))
  var key: [String] = []
  @Flag(help: "One round, which is also what happens without --every.") var once = false
  @Option(help: ArgumentHelp("Again and again, with so many seconds between.", valueName: "seconds"))
  var every: Int?
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard every == nil || !once else { throw ValidationError("--once and --every exclude each other.") }
    guard every.map({ (1...86_400).contains($0) }) ?? true else {
      throw ValidationError("--every is from 1 to 86400 seconds.")
    }
  }

  func run() async throws {
    try await reporting {
      let keys = try VerifierKeys.read(key)
      let own: SigningKey
      do { own = try SigningKeyFile.load(from: keyFile) } catch {
        throw Failure(.refused, "the witness's key can't be used: \(error)")
      }
      let state = WitnessState(folder: state)
      guard let name = try name ?? state.witness()?.name else {
        throw ValidationError("--name is needed for the first round.")
      }
      if keys.isEmpty, try state.keys().isEmpty {
        Console.standard.note("WARNING: the log's key is taken from the server itself, this once; better give --key.")
      }
      while true {
        do {
          // A session of its own each time: whoever logs in again needn't start this again.
          try await ServiceClient.with(sessions) { client in
            let round = WitnessRound(
              remote: RemoteLog(client: client), state: state, key: own, name: name, keys: keys)
            show(try await round.run())
          }
        } catch let failure as Failure where every != nil && Self.mayPass(failure) {
          Console.standard.note("dsar: \(failure.line)")
        }
        guard let every else { return }
        try await Task.sleep(for: .seconds(every))
      }
    }
  }

  private static func mayPass(_ failure: Failure) -> Bool {
    failure.status == .unreachable || failure.status == .refused
  }

  private func show(_ outcome: WitnessRound.Outcome) {
    let (head, what) =
      switch outcome {
      case .cosigned(let head): (head, "cosigned")
      case .unchanged(let head): (head, "unchanged")
      }
    guard output.json else { return Console.standard.say("\(what) \(head.origin) \(head.size) \(head.root.base64)") }
    Console.standard.say(
      json: [
        "outcome": .string(what), "origin": .string(head.origin), "size": .integer(Int64(clamping: head.size)),
        "root": .string(head.root.base64),
      ])
  }
}

/// `dsar audit witness status`.
struct AuditWitnessStatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show what a witness remembers. Nothing is asked; a conflict ends with status 2.",
    discussion: """
      EXAMPLES
        dsar audit witness status --state state --json
      """)

  @Option(help: ArgumentHelp("What the witness remembers of one log.", valueName: "dir")) var state: String
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      guard FileManager.default.fileExists(atPath: state) else {
        throw Failure(.refused, "there is no folder \(state)")
      }
      let status = try WitnessStatus(WitnessState(folder: state))
      if output.json { Console.standard.say(json: status.json) } else { Console.standard.pairs(status.pairs) }
      guard status.conflict == nil else { throw ExitCode(ExitStatus.notValid.rawValue) }
    }
  }
}

/// `dsar audit witness list`.
struct AuditWitnessListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the cosignatures that the service has, newest first.",
    discussion: """
      EXAMPLES
        dsar audit witness list --limit 10
      """)

  @Option(help: "How many, 1 to 10000.") var limit = 50
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...10_000).contains(limit) else { throw ValidationError("--limit is from 1 to 10000.") }
  }

  func run() async throws {
    try await reporting {
      try await ServiceClient.with(sessions) { client in
        var items: [JSONValue] = []
        var next: String?
        repeat {
          let target = "/audit/cosignatures?limit=\(min(200, limit - items.count))"
          // A cursor is base64url and needs no encoding.
          let page = try await client.json(target + (next.map { "&cursor=\($0)" } ?? ""))
          items += page["items"]?.array ?? []
          next = page["next"]?.string
        } while items.count < limit && next != nil
        items = Array(items.prefix(limit))
        if output.json {
          return Console.standard.say(json: ["items": .array(items), "more": .bool(next != nil)])
        }
        Console.standard.table(
          ["SIZE", "WITNESS", "TIME"],
          items.map { item in
            [
              item["size"]?.integer.map(String.init) ?? "", item["witness"]?.string ?? "",
              item["time"]?.string ?? "",
            ]
          })
        if next != nil { Console.standard.note("there are more: --limit") }
      }
    }
  }
}
