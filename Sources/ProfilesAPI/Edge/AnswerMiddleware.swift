import Custody
import Foundation
import HTTPTypes
public import Hummingbird
public import Logging
import NIOCore

/// Turns every error into a problem document and gives every answer its id and its caching rule: 400 for a request
/// without a host or with an ambiguous path, 500 without detail for what nobody foresaw.
public struct AnswerMiddleware: RouterMiddleware {
  /// Requests are handled in this context.
  public typealias Context = APIContext

  private let logger: Logger

  /// Reports to `logger`: route, status and time, no path, no id of anybody.
  public init(logger: Logger) { self.logger = logger }

  /// Handles one request.
  public func handle(
    _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
  ) async throws -> Response {
    let began = Microseconds.now()
    let instance = Gate.instance(context.requestID)
    var response: Response
    do {
      guard let authority = request.head.authority, !authority.isEmpty else {
        throw Problem.badRequest("host", "A request needs a Host.")
      }
      guard !request.uri.path.contains("//") else {
        throw Problem.badRequest("path", "A path has no empty segments.")
      }
      response = try await next(request, context)
    } catch let error {
      if let problem = Problem(error) {
        response = problem.response(instance: instance)
      } else {
        // The type only: a description may hold anything.
        logger.error(
          "an error nobody foresaw",
          metadata: [
            "request_id": "\(context.requestID)", "type": "\(type(of: error))", "error": "\(Self.safe(error))",
          ])
        response = Problem(.internalServerError, "internal", "Something went wrong here; nothing was released.")
          .response(instance: instance)
      }
    }
    response.headers[.requestID] = context.requestID.uuidString.lowercased()
    if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
    response.headers[.xContentTypeOptions] = "nosniff"
    logger.info(
      "answered",
      metadata: [
        "request_id": "\(context.requestID.uuidString.lowercased())", "method": "\(request.method.rawValue)",
        "route": "\(context.endpointPath ?? "none")", "status": "\(response.status.code)",
        "microseconds": "\(Microseconds.now() - began)",
      ])
    return response
  }

  /// Descriptions of our own errors hold no values; anybody else's stay out of the log.
  private static func safe(_ error: any Error) -> String {
    (error as? any SafelyDescribed)?.description ?? "undisclosed"
  }
}
