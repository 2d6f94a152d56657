internal import Signing

/// Walks a tenant's folder and checks every name, kind and length in it against what a log of this size
/// has. Links are never followed, folders never held in memory.
struct LayoutCheck {
  /// Folders of partial tiles whose content is to be compared, besides those a log of this size needs.
  private(set) var superseded: Set<String> = []
  /// The sizes of all exported checkpoints, ascending.
  private(set) var exported: [UInt64] = []
  /// The numbers of all manifests, ascending.
  private(set) var manifests: [UInt64] = []
  private(set) var hasVerifierKey = false
  private let files: ArchiveFolder
  private let size: UInt64

  private static let maximumSuperseded = 4096

  init(files: ArchiveFolder, size: UInt64) {
    self.files = files
    self.size = size
  }

  mutating func run(_ report: inout VerificationReport) {
    var folders: [String] = []
    each("", &report) { check, name, kind, report in
      switch (name, kind) {
      case ("checkpoint", .regular), (ArchiveFolder.incoming, .folder): break
      case ("vkey", .regular): check.hasVerifierKey = true
      case (RetentionNote.file, .regular): break
      case ("checkpoints", .folder), (Manifest.folder, .folder), ("tile", .folder): folders.append(name)
      default: report.add(Self.foreign(name, kind))
      }
    }
    if folders.contains("checkpoints") { exported = numbers("checkpoints", &report) }
    if folders.contains(Manifest.folder) { manifests = numbers(Manifest.folder, &report) }
    if folders.contains("tile") { walkTiles("tile", depth: 0, &report) }
  }

  /// The names in a folder of files that are named by 20 digits, ascending.
  private mutating func numbers(_ folder: String, _ report: inout VerificationReport) -> [UInt64] {
    var numbers: [UInt64] = []
    each(folder, &report) { _, name, kind, report in
      guard kind == .regular, name.utf8.count == 20, name.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let number = UInt64(name)
      else { return report.add(Self.foreign(folder + "/" + name, kind)) }
      numbers.append(number)
    }
    return numbers.sorted()
  }

  private mutating func walkTiles(_ folder: String, depth: Int, _ report: inout VerificationReport) {
    each(folder, &report) { check, name, kind, report in
      let path = folder + "/" + name
      switch kind {
      case .folder where check.isFolderName(name, in: folder, depth: depth):
        check.walkTiles(path, depth: depth + 1, &report)
      case .regular:
        guard let place = TilePath(path) else { return report.add(Self.foreign(path, kind)) }
        check.examine(place, &report)
      default: report.add(Self.foreign(path, kind))
      }
    }
  }

  private func isFolderName(_ name: String, in folder: String, depth: Int) -> Bool {
    if depth == 0 { return name == "entries" || (name.utf8.count == 1 && ("0"..."7").contains(name)) }
    let groups = "x000"
    guard depth < 9, !folder.hasSuffix(".p") else { return false }
    let digits = name.hasSuffix(".p") ? name.dropLast(2) : name.hasPrefix("x") ? name.dropFirst() : ""
    return digits.utf8.count == groups.utf8.count - 1 && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  private mutating func examine(_ place: TilePath, _ report: inout VerificationReport) {
    let length: Int
    do {
      guard let found = try files.length(place.text) else { return }
      length = found
    } catch { return report.add(Finding(error, file: place.text)) }
    let level: UInt64
    switch place.content {
    case .entries:
      level = 0
      guard length <= EntryBundle.maximumBytes(width: place.width) else {
        return report.add(Finding(.layout, file: place.text, "longer than its entries can be"))
      }
    case .hashes(let found):
      level = UInt64(found)
      guard found < 8 else {
        return report.add(Finding(.layout, file: place.text, "no log has tiles of this level"))
      }
      guard length == place.width * SHA256Digest.byteCount else {
        return report.add(Finding(.layout, file: place.text, "its length is not that of its hashes"))
      }
    }
    let count = size >> (8 * level)
    let covered =
      place.index < count / 256 || (place.index == count / 256 && UInt64(place.width) <= count % 256)
    guard covered else { return report.unpublished += 1 }
    if !place.isFull, superseded.insert(place.partials).inserted, superseded.count > Self.maximumSuperseded {
      superseded.remove(place.partials)
      report.add(Finding(.layout, file: place.text, "too many superseded partial tiles to compare"))
    }
  }

  private mutating func each(
    _ folder: String, _ report: inout VerificationReport,
    _ body: (inout LayoutCheck, String, FileKind, inout VerificationReport) -> Void
  ) {
    var check = self
    var result = report
    do {
      try files.list(folder) { name, kind in body(&check, name, kind, &result) }
    } catch { result.add(Finding(error, file: folder)) }
    self = check
    report = result
  }

  static func foreign(_ path: String, _ kind: FileKind) -> Finding {
    let what =
      switch kind {
      case .regular: "a file that no log has"
      case .folder: "a folder that no log has, or a folder in a file's place"
      case .link: "a link; links are never followed"
      case .other: "a device, pipe or socket"
      }
    return Finding(.layout, file: path, what)
  }
}
