public import Foundation
public import Hummingbird
import Logging
import NIOCore

/// What travels with one request: its id, made by us, and the caller's trace.
public struct APIContext: RequestContext {
  /// Hummingbird's own part.
  public var coreContext: CoreRequestContextStorage
  /// The request's id, also in the answer's `Request-Id` and in the log.
  public let requestID: UUID

  /// A context for one request.
  public init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    requestID = UUID()
  }

  /// Bodies are small: larger ones go by way of a job.
  public var maxUploadSize: Int { 65_536 }
}
