import Audit
import Testing

@testable import dsar

@Suite("the files of a log")
struct TilePlanTests {
  @Test(
    "a small log has one partial bundle and one partial tile, a full one a tile above",
    arguments: [
      (0, []), (1, ["tile/entries/000.p/1", "tile/0/000.p/1"]),
      (255, ["tile/entries/000.p/255", "tile/0/000.p/255"]),
      (256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]),
      (257, ["tile/entries/000", "tile/entries/001.p/1", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]),
    ] as [(UInt64, [String])])
  func small(size: UInt64, paths: [String]) {
    #expect(TilePlan.places(size: size).map(\.text) == paths)
  }

  @Test("70,000 entries have the tiles that the format's vector has")
  func large() {
    let paths = TilePlan.places(size: 70_000).map(\.text)
    #expect(paths.count { $0.hasPrefix("tile/entries/") } == 274)
    #expect(paths.count { $0.hasPrefix("tile/0/") } == 274)
    #expect(paths.filter { $0.hasPrefix("tile/1/") } == ["tile/1/000", "tile/1/001.p/17"])
    #expect(paths.filter { $0.hasPrefix("tile/2/") } == ["tile/2/000.p/1"])
    #expect(paths.contains("tile/0/273.p/112"))
    #expect(paths.count == 551)
  }
}
