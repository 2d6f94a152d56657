import Audit

/// The files that a log of a given size consists of, besides its checkpoint.
enum TilePlan {
  /// Entry bundles first, then the tiles of each level, from the leaves up; the last of each row may be partial.
  static func places(size: UInt64) -> [TilePath] {
    var places = row(size) { index, width in .entries(index: index, width: width) }
    var level = 0
    var count = size
    while count > 0 {
      let current = level
      places += row(count) { index, width in .tile(level: current, index: index, width: width) }
      count /= UInt64(TilePath.fullWidth)
      level += 1
    }
    return places
  }

  private static func row(_ count: UInt64, _ place: (UInt64, Int) -> TilePath) -> [TilePath] {
    let width = UInt64(TilePath.fullWidth)
    var places = (0..<count / width).map { place($0, TilePath.fullWidth) }
    if count % width > 0 { places.append(place(count / width, Int(count % width))) }
    return places
  }
}
