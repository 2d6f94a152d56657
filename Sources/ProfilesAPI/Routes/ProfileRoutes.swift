import Custody
import Foundation
import HTTPTypes
import Hummingbird
import Profiles
import Redaction
import StrictJSON
import Tokens

/// `/profiles` and `/me`.
struct ProfileRoutes {
  let profiles: Profiles
  let gate: Gate

  func add(to router: Router<APIContext>) {
    let profiles = profiles
    router.post(
      "/profiles",
      use: gate.admitting(.profilesWrite, purpose: .profileAdministration, .once) { call in
        let draft = try ProfileDraft(reading: try call.object())
        let profile = try await profiles.create(draft, call.context, answering: call.answering(Self.created))
        return Response(try Self.created(profile))
      })
    router.get(
      "/profiles",
      use: gate.admitting(.profilesRead, purpose: .profileAdministration) { call in
        let query = try ListQuery(call.request, allowed: ["status", "country", "language", "limit", "cursor"])
        let filter = ProfileFilter(
          status: try query.oneOf("status", ProfileStatus.self),
          country: try query.oneOf("country", ProfileRules.countries),
          language: try query.oneOf("language", ProfileRules.languages))
        let page = try await profiles.page(
          filter, after: try query.cursor(), limit: try query.limit(), call.context)
        return try .json(
          .object([
            JSONMember("items", .array(page.profiles.map(\.json))),
            member("next", page.next.map { Cursor(after: $0).text }),
          ]))
      })
    router.post(
      "/profiles:search",
      use: gate.admitting(.profilesRead, purpose: .profileAdministration) { call in
        let found = try await profiles.search(try ProfileQuery(reading: try call.object()), call.context)
        return try .json(.object([JSONMember("items", .array(found.map(\.json)))]))
      })
    router.get(
      "/profiles/{id}",
      use: gate.admitting(.profilesRead, purpose: .profileAdministration) { call in
        let profile = try await profiles.profile(try call.id(), call.context)
        return try .json(profile.json, headers: [.eTag: profile.entityTag])
      })
    router.patch(
      "/profiles/{id}",
      use: gate.admitting(.profilesWrite, purpose: .profileAdministration) { call in
        let id = try call.id()
        let version = try call.expectedVersion()
        let patch = try ProfilePatch(reading: try call.object())
        let profile = try await profiles.change(id, patch, version: version, call.context)
        return Response(try Self.changed(profile, call.mayRead))
      })
    for transition in ProfileTransition.allCases {
      router.post(
        RouterPath("/profiles/{id}:\(transition.rawValue)"),
        use: gate.admitting(.profilesWrite, purpose: .profileAdministration, .once) { call in
          try call.requireEmptyBody()
          let mayRead = call.mayRead
          let profile = try await profiles.move(
            try call.id(), transition, call.context,
            answering: call.answering { try Self.changed($0, mayRead) })
          return Response(try Self.changed(profile, mayRead))
        })
    }
    router.get(
      "/me",
      use: gate.admitting(.profilesRead, purpose: .selfService) { call in
        let profile = try await profiles.own(Personal(call.principal.subject), call.context)
        return try .json(profile.json, headers: [.eTag: profile.entityTag])
      })
  }

  @Sendable private static func created(_ profile: Profile) throws -> KeptAnswer {
    KeptAnswer(
      status: 201, headers: ["Location": "/profiles/\(profile.id.text)", "ETag": profile.entityTag],
      body: try profile.json.canonicalBytes())
  }

  /// A change is answered with the profile only where the token may read it: who may write needn't.
  private static func changed(_ profile: Profile, _ mayRead: Bool) throws -> KeptAnswer {
    KeptAnswer(
      status: 200, headers: ["ETag": profile.entityTag],
      body: try (mayRead ? profile.json : profile.outline).canonicalBytes())
  }
}
