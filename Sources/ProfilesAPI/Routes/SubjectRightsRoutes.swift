import Custody
import Foundation
import HTTPTypes
import Hummingbird
import Profiles
import Redaction
import StrictJSON
import SubjectRights
import Tokens

/// `/privacy/data`: data subjects' requests.
struct SubjectRightsRoutes {
  let rights: SubjectRights
  let gate: Gate
  /// Told that an erasure was ordered, so that it begins at once.
  let erasureOrdered: @Sendable () -> Void

  func add(to router: Router<APIContext>) {
    let rights = rights
    let erasureOrdered = erasureOrdered
    router.post(
      "/privacy/data",
      use: gate.admitting(.requestsManage, purpose: .subjectRequest, .once) { call in
        let draft = try RequestDraft(reading: try call.object())
        let request = try await rights.open(draft, call.context, answering: call.answering(Self.opened))
        return Response(try Self.opened(request))
      })
    router.get(
      "/privacy/data",
      use: gate.admitting(.requestsRead, purpose: .subjectRequest) { call in
        let query = try ListQuery(call.request, allowed: ["state", "type", "limit", "cursor"])
        let page = try await rights.page(
          state: try query.oneOf("state", RequestState.self), type: try query.oneOf("type", RequestType.self),
          after: try query.cursor(), limit: try query.limit(), call.context)
        let erasures = try await rights.erasures(
          of: page.requests.filter { $0.type == .erasure }.map(\.id), call.context)
        return try .json(
          .object([
            JSONMember("items", .array(page.requests.map { $0.json(erasure: erasures[$0.id]) })),
            member("next", page.next.map { Cursor(after: $0).text }),
          ]))
      })
    router.get(
      "/privacy/data/{id}",
      use: gate.admitting(.requestsRead, purpose: .subjectRequest) { call in
        let request = try await rights.request(try call.id(), call.context)
        let erasure = try await rights.erasure(of: request.id, call.context)
        let note = try await rights.note(of: request, call.context)
        return try .json(request.json(erasure: erasure, note: note?.disclosed()))
      })
    router.post(
      "/privacy/data/{id}:verify",
      use: gate.admitting(.requestsManage, purpose: .subjectRequest, .once) { call in
        let id = try call.id()
        let method = try VerificationMethod(reading: try call.object())
        let request = try await rights.verify(id, by: method, call.context, answering: call.answering(Self.changed))
        return Response(try Self.changed(request))
      })
    router.post(
      "/privacy/data/{id}:approve",
      use: gate.admitting(.requestsApprove, purpose: .subjectRequest, .once) { call in
        try call.requireEmptyBody()
        let request = try await rights.approve(try call.id(), call.context, answering: call.answering(Self.changed))
        return Response(try Self.changed(request))
      })
    router.post(
      "/privacy/data/{id}:execute",
      use: gate.admitting(.requestsManage, purpose: .subjectRequest, .once) { call in
        try call.requireEmptyBody()
        let request = try await rights.execute(try call.id(), call.context, answering: call.answering(Self.executed))
        if request.type == .erasure { erasureOrdered() }
        return Response(try Self.executed(request))
      })
    router.get(
      "/privacy/data/{id}/package",
      use: gate.admitting(.requestsManage, purpose: .subjectRequest) { call in
        let id = try call.id()
        return .bytes(
          try await rights.package(of: id, call.context), type: "application/json",
          headers: [.contentDisposition: "attachment; filename=\"package-\(id.text).json\""])
      })
    router.get(
      "/privacy/data/{id}/certificate",
      use: gate.admitting(.requestsRead, purpose: .subjectRequest) { call in
        let id = try call.id()
        return .bytes(
          try await rights.certificate(of: id, call.context), type: "application/json",
          headers: [.contentDisposition: "attachment; filename=\"certificate-\(id.text).json\""])
      })
  }

  @Sendable private static func opened(_ request: SubjectRequest) throws -> KeptAnswer {
    KeptAnswer(
      status: 201, headers: ["Location": "/privacy/data/\(request.id.text)"], body: try request.json().canonicalBytes())
  }

  @Sendable private static func changed(_ request: SubjectRequest) throws -> KeptAnswer {
    KeptAnswer(status: 200, body: try request.json().canonicalBytes())
  }

  /// An erasure goes on after the answer: 202, and where to look.
  @Sendable private static func executed(_ request: SubjectRequest) throws -> KeptAnswer {
    guard request.state == .executing else { return try changed(request) }
    return KeptAnswer(
      status: 202, headers: ["Location": "/privacy/data/\(request.id.text)", "Retry-After": "1"],
      body: try request.json().canonicalBytes())
  }
}
