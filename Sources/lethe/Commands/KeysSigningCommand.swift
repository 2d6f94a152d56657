import ArgumentParser
import Custody
import Foundation
import ProfilesAPI
import StrictJSON

/// `lethe keys signing`.
struct KeysSigningCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "signing", abstract: "The log's signing key.", subcommands: [Rotate.self])

  /// `lethe keys signing rotate`.
  struct Rotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rotate",
      abstract: "Replace the key that signs checkpoints and certificates.",
      discussion: """
        Works online. The new key is made beside the old one, LETHE_SIGNING_KEY with `.next` behind its name. Each log
        names it in an entry log.key_rotated, and the checkpoint over that entry is signed by both keys. When every log
        has it, the old file gets the name `.<id>.retired` and the new one takes its place. It may be stopped at any
        point, and goes on where it was the next time. Replicas that share the key's folder follow by themselves; copy
        the files to others before.

        Auditors find the new key by the old one, in the log. What was signed by the old key still verifies; keep its
        line for that. When the old key may have been stolen, read runbooks/key-compromise.md first.

        EXIT STATUS
          0  every log that was asked for has the new key
          1  refused or failed: one line on standard error says why; run it again

        EXAMPLES
          lethe keys signing rotate
          lethe keys signing rotate --tenant 0d4c5c9c-5f5c-4d0c-9f5e-0a3f0c5b6a7d
        """)

    @Option(help: "One tenant's log only, or all; the old key stays in place until all have the new one.")
    var tenant = "all"
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      guard tenant == "all" || UUID(uuidString: tenant) != nil else {
        throw ValidationError("--tenant is a UUID, or all.")
      }
    }

    func run() async throws {
      let outcome = try await withParts { parts in
        try await parts.refuseUnlessServable()
        let wanted = try await tenants(tenant, parts)
        return try await SigningKeyRotation(custody: parts.custody, checkpointer: parts.checkpointer).run(wanted)
      }
      if json {
        Console.say(
          json: .object([
            JSONMember(
              "rotated",
              .array(
                outcome.rotated.map {
                  .object([
                    JSONMember("tenant_id", .string($0.tenant.description)), JSONMember("key", .string($0.key)),
                  ])
                })),
            JSONMember("waiting", .array(outcome.waiting.map { .string($0.description) })),
            JSONMember("closed", .array(outcome.closed.map { .string($0.description) })),
            JSONMember("retired", outcome.retired.map(JSONValue.string) ?? .null),
          ]))
        return
      }
      Console.table(["TENANT", "KEY"], outcome.rotated.map { ["\($0.tenant)", $0.key] })
      for tenant in outcome.waiting { Console.say("waiting       \(tenant)") }
      for tenant in outcome.closed { Console.say("closed        \(tenant): keeps its key") }
      if let retired = outcome.retired {
        Console.say("old key       \(retired)")
      } else {
        Console.say("next          lethe keys signing rotate; the old key stays until every log has the new one")
      }
    }
  }
}
