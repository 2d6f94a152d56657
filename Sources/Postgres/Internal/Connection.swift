import CPostgres
import Glibc

/// One libpq connection, used by one thread only.
///
/// Every conversation is an exchange of segments in pipeline mode: a segment's steps travel together, end with a Sync,
/// and when one fails the server skips the rest of that segment. Between exchanges the connection is idle and out of
/// pipeline mode. After anything unexpected `isBroken` is set, and the owner closes the connection.
///
/// `@safe`: the pointers come from libpq, are freed once in `deinit`, and never leave the class.
@safe final class Connection {
  /// What one step asks for.
  enum Step {
    case prepare(name: String, sql: SQL)
    case execute(name: String, binds: [Bind])
    case command(String)
  }

  /// What came back for one step.
  enum Reply {
    case done(rows: [Row], affected: Int, tag: String)
    case failed(PostgresError)
    /// An earlier step of the same segment failed.
    case skipped
  }

  private let handle: OpaquePointer
  private let canceller: OpaquePointer?
  private let wake: WakeSignal
  private let replyLimit: Duration
  private(set) var isBroken = false
  /// Asked whenever the wake signal is raised: should the server stop the current statement?
  private var shouldCancel: () -> Bool = { false }
  var statements = StatementCache(capacity: 256)
  /// Which database this is, when `init` was to ask.
  private(set) var identity: DatabaseIdentity?

  // MARK: Opening and closing

  /// Connects and prepares the session.
  ///
  /// - Parameters:
  ///   - statementTimeout: nil leaves statements unlimited.
  ///   - deadline: when to give up connecting.
  ///   - asksIdentity: whether `identity` is asked for, in the round trip that prepares the session.
  ///   - shouldStop: asked when `wake` is raised while connecting.
  init(
    url: String, applicationName: String, statementTimeout: Duration?, deadline: ContinuousClock.Instant,
    wake: WakeSignal, asksIdentity: Bool = false, shouldStop: () -> Bool = { false }
  ) throws(PostgresError) {
    // libpq reads the strings during the call; the copies are freed right after it.
    let words = [
      ("dbname", url), ("application_name", applicationName), ("client_encoding", "UTF8"),
    ]
    var names = unsafe words.map { unsafe UnsafePointer(strdup($0.0)) }
    var values = unsafe words.map { unsafe UnsafePointer(strdup($0.1)) }
    defer {
      unsafe (names + values).forEach { unsafe free(UnsafeMutableRawPointer(mutating: $0)) }
    }
    unsafe names.append(nil)
    unsafe values.append(nil)
    guard let handle = unsafe PQconnectStartParams(names, values, 1) else {
      throw PostgresError(.connection, message: "out of memory")
    }
    // From here on the connection is freed by whoever leaves early, and by `deinit` after success.
    do {
      try unsafe Self.finishConnecting(handle, deadline: deadline, wake: wake, shouldStop: shouldStop)
    } catch {
      unsafe PQfinish(handle)
      throw error
    }
    unsafe self.handle = handle
    unsafe canceller = PQgetCancel(handle)
    self.wake = wake
    replyLimit = statementTimeout.map { $0 + .seconds(5) } ?? .seconds(86_400)
    unsafe lethe_silence_notices(handle)
    _ = unsafe PQsetnonblocking(handle, 1)
    try prepareSession(statementTimeout, asksIdentity: asksIdentity)
  }

  deinit {
    // Each was made once in `init` and is freed once here.
    unsafe PQfreeCancel(canceller)
    unsafe PQfinish(handle)
  }

  /// Whether the server has a transaction open on this connection that has failed.
  var isInFailedTransaction: Bool { unsafe PQtransactionStatus(handle) == PQTRANS_INERROR }
  /// Whether the server has a transaction open on this connection, failed or not.
  var isInTransaction: Bool {
    let status = unsafe PQtransactionStatus(handle)
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
  }
  /// Whether the connection can be used for something else.
  var isIdle: Bool { unsafe !isBroken && PQtransactionStatus(handle) == PQTRANS_IDLE }

  private func prepareSession(_ statementTimeout: Duration?, asksIdentity: Bool) throws(PostgresError) {
    let milliseconds = statementTimeout.map { max(1, $0.milliseconds) }
    let settings: SQL = """
      SELECT set_config('statement_timeout', \(String(milliseconds ?? 0)), false), \
      set_config('idle_in_transaction_session_timeout', \(milliseconds == nil ? "0" : "60000"), false), \
      set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false)
      """
    let statements = asksIdentity ? [settings, DatabaseIdentity.place, DatabaseIdentity.cluster] : [settings]
    let replies = exchange(
      statements.map { [.prepare(name: "", sql: $0), .execute(name: "", binds: $0.binds)] }, until: { false })
    if let failure = replies.prefix(2).joined().firstFailure { throw failure }
    // The cluster may be kept from this role; any other failure would make the same database look like another.
    if let failure = replies.dropFirst(2).joined().firstFailure, !failure.isPermissionDenied { throw failure }
    guard asksIdentity else { return }
    guard case .done(let places, _, _) = replies[1].last, let place = places.first else {
      throw PostgresError(.decoding, message: "no identity")
    }
    var cluster: Row?
    if case .done(let rows, _, _) = replies[2].last { cluster = rows.first }
    identity = try DatabaseIdentity(place: place, cluster: cluster)
  }

  // MARK: Exchanges

  /// Sends segments together and reads their replies in order.
  ///
  /// - Parameters:
  ///   - until: asked when the wake signal is raised; true makes the server stop what it is doing.
  ///   - segmentEnded: called with a segment's index and replies as soon as they are complete.
  /// - Returns: the replies of every step. After a lost connection the missing ones are `.failed(.connection)`.
  @discardableResult
  func exchange(
    _ segments: [[Step]], until shouldCancel: @escaping () -> Bool,
    segmentEnded: (Int, [Reply]) -> Void = { _, _ in }
  ) -> [[Reply]] {
    self.shouldCancel = shouldCancel
    defer { self.shouldCancel = { false } }
    if !isBroken, unsafe PQenterPipelineMode(handle) != 1 { isBroken = true }
    if !isBroken { send(segments) }
    var all: [[Reply]] = []
    for (index, segment) in segments.enumerated() {
      let replies = read(segment)
      all.append(replies)
      segmentEnded(index, replies)
    }
    if !isBroken, unsafe PQexitPipelineMode(handle) != 1 { isBroken = true }
    return all
  }

  /// Runs a script of several statements by the simple protocol, which stops at the first failure.
  func run(script: String, until shouldCancel: @escaping () -> Bool) throws(PostgresError) {
    self.shouldCancel = shouldCancel
    defer { self.shouldCancel = { false } }
    guard !isBroken, unsafe PQsendQuery(handle, script) == 1 else { throw lost() }
    var failure: PostgresError?
    while true {
      // Each result is read and freed by `reply`.
      guard let result = unsafe try nextResult() else { break }
      switch unsafe reply(result) {
      case .failed(let error): failure = failure ?? error
      case .done, .skipped: break
      }
      if isBroken { throw failure ?? lost() }
    }
    if let failure { throw failure }
  }

  private func send(_ segments: [[Step]]) {
    for segment in segments {
      for step in segment {
        let sent =
          switch step {
          case .prepare(let name, let sql):
            // libpq copies name, text and types into its buffer during the call.
            unsafe PQsendPrepare(handle, name, sql.text, CInt(sql.binds.count), sql.binds.map(\.type))
          case .execute(let name, let binds): send(name, binds)
          case .command(let text): unsafe PQsendQueryParams(handle, text, 0, nil, nil, nil, nil, 1)
          }
        guard sent == 1 else {
          isBroken = true
          return
        }
      }
      guard unsafe PQpipelineSync(handle) == 1 else {
        isBroken = true
        return
      }
    }
  }

  private func send(_ name: String, _ binds: [Bind]) -> CInt {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(binds.reduce(1) { $0 + ($1.bytes?.count ?? 0) })
    var starts: [Int?] = []
    for bind in binds {
      starts.append(bind.bytes == nil ? nil : bytes.count)
      bytes += bind.bytes ?? []
    }
    // So that an empty value at the end has an address too: a null pointer would be NULL.
    bytes.append(0)
    let lengths = binds.map { CInt($0.bytes?.count ?? 0) }
    let formats = [CInt](repeating: 1, count: binds.count)
    // The pointers lead into `bytes`, which outlives the call; libpq copies the values into its own buffer.
    return unsafe bytes.withUnsafeBytes { buffer in
      let base = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
      let values = unsafe starts.map { start in unsafe start.flatMap { unsafe base?.advanced(by: $0) } }
      return unsafe PQsendQueryPrepared(handle, name, CInt(binds.count), values, lengths, formats, 1)
    }
  }

  private func read(_ segment: [Step]) -> [Reply] {
    var replies: [Reply] = []
    do throws(PostgresError) {
      // Every result is freed by `reply`, or right here when it is the mark of the Sync.
      for _ in segment {
        guard let result = unsafe try nextResult() else { throw lost() }
        unsafe replies.append(reply(result))
        // A step's results end with a null one.
        while let extra = unsafe try nextResult() { _ = unsafe reply(extra) }
      }
      var empty = 0
      while true {
        guard let result = unsafe try nextResult() else {
          empty += 1
          if empty > 2 { throw lost() }
          continue
        }
        if unsafe PQresultStatus(result) == PGRES_PIPELINE_SYNC {
          unsafe PQclear(result)
          return replies
        }
        // The commit of an implicit transaction fails here, after its steps have succeeded.
        if case .failed(let error) = unsafe reply(result) { replies = replies.map { _ in .failed(error) } }
      }
    } catch {
      isBroken = true
      while replies.count < segment.count { replies.append(.failed(error)) }
      return replies
    }
  }

  // MARK: Waiting

  /// The next result without blocking in libpq, or nil where libpq returns a null one.
  private func nextResult() throws(PostgresError) -> OpaquePointer? {
    var deadline = ContinuousClock.now + replyLimit
    var isCancelSent = false
    while true {
      if isBroken { throw lost() }
      let unsent = unsafe PQflush(handle)
      if unsent < 0 { throw lost() }
      if unsafe PQisBusy(handle) == 0 { return unsafe PQgetResult(handle) }
      if shouldCancel(), !isCancelSent {
        isCancelSent = true
        cancelStatement()
        deadline = min(deadline, ContinuousClock.now + .seconds(5))
      }
      let ready = try unsafe Self.wait(
        for: PQsocket(handle), writing: unsent == 1, wake: wake, deadline: deadline)
      if ready, unsafe PQconsumeInput(handle) == 0 { throw lost() }
    }
  }

  private func cancelStatement() {
    var message = [CChar](repeating: 0, count: 256)
    // Asks over a connection of its own; libpq writes at most the buffer's length.
    if unsafe PQcancel(canceller, &message, CInt(message.count)) == 0 { isBroken = true }
  }

  /// Polls the socket and the wake pipe. True when the socket is ready, false after a wake-up.
  private static func wait(
    for socket: CInt, writing: Bool, reading: Bool = true, wake: WakeSignal, deadline: ContinuousClock.Instant
  ) throws(PostgresError) -> Bool {
    guard let isReady = try poll(socket, reading: reading, writing: writing, wake: wake, until: deadline) else {
      throw PostgresError(.connection, message: "the server did not answer in time")
    }
    return isReady
  }

  /// As `wait`, but nil when the deadline has come.
  private static func poll(
    _ socket: CInt, reading: Bool, writing: Bool, wake: WakeSignal, until deadline: ContinuousClock.Instant
  ) throws(PostgresError) -> Bool? {
    while true {
      let left = (deadline - ContinuousClock.now).milliseconds
      guard left > 0 else { return nil }
      let events = Int16((reading ? POLLIN : 0) | (writing ? POLLOUT : 0))
      var watched = [
        pollfd(fd: socket, events: events, revents: 0), pollfd(fd: wake.readEnd, events: Int16(POLLIN), revents: 0),
      ]
      // `poll` writes into the two entries lent for the call.
      let count = unsafe Glibc.poll(&watched, 2, CInt(min(left, 60_000)))
      if count < 0, errno != EINTR { throw PostgresError(.connection, message: "poll failed") }
      guard count > 0 else { continue }
      if watched[1].revents != 0 { wake.clear() }
      if watched[0].revents != 0 { return true }
      if watched[1].revents != 0 { return false }
    }
  }

  private static func finishConnecting(
    _ handle: OpaquePointer, deadline: ContinuousClock.Instant, wake: WakeSignal, shouldStop: () -> Bool
  ) throws(PostgresError) {
    // The pointer is alive for the whole call; its owner is `init`.
    var next = PGRES_POLLING_WRITING
    while true {
      if unsafe PQstatus(handle) == CONNECTION_BAD { break }
      if next == PGRES_POLLING_OK { return }
      if next == PGRES_POLLING_FAILED { break }
      if shouldStop() { throw PostgresError(.cancelled) }
      let ready = try unsafe wait(
        for: PQsocket(handle), writing: next == PGRES_POLLING_WRITING, reading: next == PGRES_POLLING_READING,
        wake: wake, deadline: deadline)
      if ready { next = unsafe PQconnectPoll(handle) }
    }
    throw PostgresError(.connection, message: unsafe String(cString: PQerrorMessage(handle)))
  }

  private func lost() -> PostgresError {
    isBroken = true
    return PostgresError(.connection, message: unsafe String(cString: PQerrorMessage(handle)))
  }

  // MARK: Notifications

  /// Waits until something arrives. False when nothing did within `limit`.
  func waitForNotifications(_ limit: Duration) throws(PostgresError) -> Bool {
    let deadline = ContinuousClock.now + limit
    while true {
      guard
        let isReady = try unsafe Self.poll(PQsocket(handle), reading: true, writing: false, wake: wake, until: deadline)
      else { return false }
      if !isReady { return true }
      if unsafe PQconsumeInput(handle) == 0 { throw lost() }
      return true
    }
  }

  /// Notifications that arrived with earlier replies.
  func takeNotifications() -> [(channel: String, payload: String)] {
    var all: [(channel: String, payload: String)] = []
    // libpq allocates each notification with its strings; they are copied, then freed here.
    while let notification = unsafe PQnotifies(handle) {
      unsafe all.append(
        (String(cString: notification.pointee.relname), String(cString: notification.pointee.extra)))
      unsafe PQfreemem(notification)
    }
    return all
  }

  /// A name as an SQL identifier, quoted.
  static func quoted(_ name: String) -> String {
    "\"" + name.replacing("\"", with: "\"\"") + "\""
  }

  // MARK: Results

  /// Copies a result and frees it.
  private func reply(_ result: OpaquePointer) -> Reply {
    // The result belongs to this function: read, then freed once on every way out.
    defer { unsafe PQclear(result) }
    switch unsafe PQresultStatus(result) {
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
      return unsafe .done(
        rows: Self.rows(result), affected: Int(String(cString: PQcmdTuples(result))) ?? 0,
        tag: String(cString: PQcmdStatus(result)))
    case PGRES_PIPELINE_ABORTED:
      return .skipped
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      isBroken = true
      return .failed(PostgresError(.misuse, message: "COPY to or from the client is not supported"))
    default:
      return .failed(unsafe failure(result))
    }
  }

  private func failure(_ result: OpaquePointer) -> PostgresError {
    let field = { (code: Int) -> String? in
      // A field is a string inside the result, alive until the caller frees it.
      unsafe lethe_result_field(result, CInt(code)).map { unsafe String(cString: $0) }
    }
    let message = field(LETHE_DIAG_MESSAGE_PRIMARY) ?? ""
    let state = field(LETHE_DIAG_SQLSTATE) ?? ""
    // 08: connection exceptions; 57P0x: the server shuts down or crashed. Without a state, libpq itself failed.
    guard !state.isEmpty, !state.hasPrefix("08"), !state.hasPrefix("57P") else {
      isBroken = true
      return PostgresError(.connection, message: message)
    }
    return PostgresError(
      .statement(sqlState: state), constraint: field(LETHE_DIAG_CONSTRAINT_NAME),
      schema: field(LETHE_DIAG_SCHEMA_NAME), table: field(LETHE_DIAG_TABLE_NAME),
      column: field(LETHE_DIAG_COLUMN_NAME), message: message)
  }

  private static func rows(_ result: OpaquePointer) -> [Row] {
    // Reads within the result's own bounds; every value is copied before the result is freed.
    let columns = unsafe PQnfields(result)
    let count = unsafe PQntuples(result)
    guard columns > 0 else { return [] }
    var buffer: [UInt8] = []
    var bounds: [(start: Int, end: Int)] = []
    bounds.reserveCapacity(Int(columns * count))
    for row in 0..<count {
      for column in 0..<columns {
        if unsafe PQgetisnull(result, row, column) == 1 {
          bounds.append((-1, -1))
          continue
        }
        let length = Int(unsafe PQgetlength(result, row, column))
        let start = buffer.count
        if let value = unsafe PQgetvalue(result, row, column) {
          unsafe buffer.append(contentsOf: UnsafeRawBufferPointer(start: value, count: length))
        }
        bounds.append((start, start + length))
      }
    }
    let storage = RowStorage(
      names: (0..<columns).map { unsafe PQfname(result, $0).map { unsafe String(cString: $0) } ?? "" },
      types: (0..<columns).map { unsafe PQftype(result, $0) }, buffer: buffer, bounds: bounds)
    return (0..<Int(count)).map { Row(result: storage, index: $0) }
  }
}

extension Sequence<Connection.Reply> {
  /// The first failure among the replies.
  var firstFailure: PostgresError? {
    for case .failed(let error) in self { return error }
    return nil
  }
}

extension Duration {
  /// Whole milliseconds, rounded up.
  var milliseconds: Int64 {
    components.seconds * 1000 + (components.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
  }
}
