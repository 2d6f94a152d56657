import Testing

/// One way to spoil a request, and the answer it gets.
struct AttackCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let status: Int
  let error: String?
  let step: Int
  let spoil: @Sendable (inout Attempt) throws -> Void

  init(
    _ name: String, _ status: Int, _ error: String?, step: Int,
    _ spoil: @escaping @Sendable (inout Attempt) throws -> Void
  ) {
    testDescription = name
    self.status = status
    self.error = error
    self.step = step
    self.spoil = spoil
  }

  /// A token at fault.
  static func token(
    _ name: String, step: Int, _ spoil: @escaping @Sendable (inout Attempt) throws -> Void
  ) -> AttackCase { AttackCase(name, 401, "invalid_token", step: step, spoil) }

  /// A proof at fault.
  static func proof(
    _ name: String, step: Int, _ spoil: @escaping @Sendable (inout Attempt) throws -> Void
  ) -> AttackCase { AttackCase(name, 401, "invalid_dpop_proof", step: step, spoil) }
}
