import Testing

@testable import Audit

@Suite("Tile paths")
struct TilePathTests {
  @Test(
    "a path is written as published and reads back",
    arguments: [
      (TilePath.tile(level: 0, index: 1_234_067), "tile/0/x001/x234/067"),
      (TilePath.tile(level: 0, index: 1_234_067, width: 5), "tile/0/x001/x234/067.p/5"),
      (TilePath.tile(level: 63, index: 0, width: 255), "tile/63/000.p/255"),
      (TilePath.entries(index: 999), "tile/entries/999"),
      (TilePath.entries(index: 1000, width: 1), "tile/entries/x001/000.p/1"),
      (TilePath.tile(level: 1, index: .max), "tile/1/x018/x446/x744/x073/x709/x551/615"),
    ])
  func text(path: TilePath, text: String) {
    #expect(path.text == text)
    #expect(TilePath(text) == path)
  }

  @Test(
    "anything else is no tile path",
    arguments: [
      "", "tile", "tile/0", "tile/0/", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/-1/000",
      "tile/a/000", "tile/0/x000/000", "tile/0/001/000", "tile/0/x001", "tile/0/x001/x000", "tile/0/000.p",
      "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/5/6", "tile/0/x001.p/000", "/tile/0/000",
      "tile/0/000/", "tile//000", "tile/entries/000.p/", "tile/entries/0x0", "tile/0/../000", "tile/0/000.q/5",
      "tile/0/x018/x446/x744/x073/x709/x551/616", "tile/0/٠٠٠",
    ])
  func refused(_ text: String) { #expect(TilePath(text) == nil) }
}
