import NIOCore
import NIOPosix

/// Whether a port can be listened on; asked before anything else is started, so that the answer is one clear line.
enum PortCheck {
  static func refuseTaken(_ ports: [(variable: String, port: Int)], bind: String) async throws {
    for (variable, port) in ports where port != 0 {
      do {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
          .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
          .bind(host: bind, port: port).get()
        try await channel.close()
      } catch {
        throw Environment.Fault(
          description: "\(variable): port \(port) on \(bind) can't be listened on (taken, or not allowed)")
      }
    }
  }
}
