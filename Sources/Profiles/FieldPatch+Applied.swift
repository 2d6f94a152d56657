import StrictJSON

extension FieldPatch {
  /// What the field holds afterwards.
  func applied(to old: Value?) -> Value? {
    switch self {
    case .absent: old
    case .cleared: nil
    case .value(let new): new
    }
  }
}
