import Custody
import HTTPTypes
import Hummingbird
import Profiles
import StrictJSON
import SubjectRights
import Tokens

extension Problem {
  /// Translates what the house throws, once, at its edge. Nil for what nobody foresaw.
  init?(_ error: any Error) {
    switch error {
    case let problem as Problem: self = problem
    case let failure as AuthenticationFailure: self = Problem(failure)
    case let error as CustodyError: self = Problem(error)
    case let error as ProfileError:
      self = Problem(
        .conflict, "no-such-transition", "The profile's status doesn't allow this.",
        detail: "status: \(error.status.rawValue)")
    case let error as SubjectRightsError: self = Problem(error)
    case let error as LogReadingError: self = Problem(error)
    case let errors as FieldErrors: self = .invalid(errors.errors)
    case let error as JSONError: self = Problem(error)
    case let error as HTTPError where error.status == .contentTooLarge:
      self = Problem(.contentTooLarge, "too-large", "The body is larger than is accepted.")
    case let error as HTTPError where error.status == .notFound: self = .notFound()
    case let error as HTTPError where error.status.code < 500:
      self = Problem(error.status, "refused", "The request was refused.")
    default: return nil
    }
  }

  private init(_ failure: AuthenticationFailure) {
    var headers: HTTPFields = [:]
    if let challenge = failure.wwwAuthenticate { headers[.wwwAuthenticate] = challenge }
    if let seconds = failure.retryAfter { headers[.retryAfter] = String(seconds) }
    let kind =
      failure.status == 503 ? "unavailable" : failure.error?.replacing("_", with: "-") ?? "unauthenticated"
    let title =
      switch failure.status {
      case 400: "The request can't be understood."
      case 401: "The caller is not authenticated."
      case 403: "The token doesn't allow this."
      default: "The caller can't be authenticated at the moment."
      }
    self.init(
      HTTPResponse.Status(code: failure.status), kind, title, detail: failure.detail, headers: headers)
  }

  private init(_ error: CustodyError) {
    switch error.code {
    case .notFound: self = .notFound()
    case .erased:
      self = Problem(.gone, "erased", "This person's data has been erased.")
    case .taken:
      self = Problem(
        .conflict, "taken", "A value that must be unique is taken.",
        errors: error.field.map { [FieldError(pointer: "/\($0)", code: "taken")] } ?? [])
    case .suppressed:
      self = Problem(
        .conflict, "suppressed", "This person's data has been erased since; late data isn't taken in.",
        errors: error.field.map { [FieldError(pointer: "/\($0)", code: "suppressed")] } ?? [])
    case .stale:
      self = Problem(
        .preconditionFailed, "stale", "The resource has changed since it was read.",
        detail: "Read it again and repeat the change with its new ETag.")
    case .fenced:
      self = Problem(
        .conflict, "in-progress", "Another attempt at this request is under way.", headers: [.retryAfter: "2"])
    case .unknownTenant:
      self = Problem(.forbidden, "unknown-tenant", "The token's tenant is not known here.")
    case .unavailable, .keyMissing, .unreadable: self = .unavailable(error.field ?? error.code.rawValue)
    }
  }

  private init(_ error: SubjectRightsError) {
    let state = error.state.map { "state: \($0.rawValue)" }
    switch error.code {
    case .wrongState:
      self = Problem(.conflict, "wrong-state", "The request's state doesn't allow this.", detail: state)
    case .sameOfficer:
      self = Problem(
        .forbidden, "same-officer", "Whoever opened a request can't approve it.",
        detail: "A second officer has to approve.")
    case .alreadyOrdered:
      self = Problem(.conflict, "already-ordered", "An erasure of this person is under way by another request.")
    case .packageExpired:
      self = Problem(.gone, "package-expired", "The package can't be downloaded any more.")
    case .notReady:
      self = Problem(
        .conflict, "not-ready", "It isn't there yet.", detail: state, headers: [.retryAfter: "1"])
    }
  }

  private init(_ error: LogReadingError) {
    switch error {
    case .notPublished:
      self = Problem(
        .conflict, "not-published", "No checkpoint covers this entry yet.", headers: [.retryAfter: "1"])
    case .expired:
      self = Problem(
        .gone, "entry-expired", "This entry was deleted at the end of its time.",
        detail: "Its hash is kept; a receipt can still be had.")
    case .unknownCheckpoint:
      self = Problem(.conflict, "unknown-checkpoint", "This log has published no such checkpoint.")
    case .unknownWitness:
      self = Problem(.forbidden, "unknown-witness", "None of the signatures is by a witness known here.")
    case .invalidCosignature:
      self = Problem(.unprocessableContent, "invalid-cosignature", "A witness's cosignature does not verify.")
    }
  }

  private init(_ error: JSONError) {
    switch error.code {
    case .tooLarge: self = Problem(.contentTooLarge, "too-large", "The body is larger than is accepted.")
    default:
      self = .badRequest("malformed-json", "The body is not the JSON that is expected: \(error.code).")
    }
  }
}
