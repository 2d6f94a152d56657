// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .treatWarning("DeprecatedDeclaration", as: .warning),
  .enableUpcomingFeature("ExistentialAny"),
]

func lethe(_ product: String) -> Target.Dependency { .product(name: product, package: "lethe") }

let package = Package(
  name: "lethe-benchmarks",
  products: [
    .executable(name: "lethe-bench", targets: ["lethe-bench"]),
    .executable(name: "lethe-forensics", targets: ["lethe-forensics"]),
    .executable(name: "audit-exhaustive", targets: ["audit-exhaustive"]),
  ],
  dependencies: [
    .package(name: "lethe", path: ".."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    // What we compare with: the C libraries called from C, without a line of Swift between.
    .target(
      name: "CBaseline",
      linkerSettings: [.linkedLibrary("crypto"), .linkedLibrary("pq"), .linkedLibrary("sodium")]),
    .executableTarget(
      name: "lethe-bench",
      dependencies: [
        "CBaseline", lethe("Audit"), lethe("LocalCluster"), lethe("Postgres"), lethe("ProfilesAPI"), lethe("Signing"),
        lethe("StrictJSON"), lethe("Tokens"), lethe("Vault"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),

    // Every flipped bit of an archive must be a finding.
    .executableTarget(
      name: "audit-exhaustive",
      dependencies: [
        lethe("Audit"), lethe("Signing"), .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),

    // Envelopes and wrapped keys once more, from docs/envelope.md, in C: the sweep shares no code with the vault.
    .target(name: "CForensics", linkerSettings: [.linkedLibrary("sodium")]),
    .executableTarget(
      name: "lethe-forensics",
      dependencies: [
        "CForensics", lethe("LocalCluster"), lethe("Postgres"), lethe("ProfilesAPI"), lethe("Signing"),
        lethe("StrictJSON"), lethe("Tokens"), lethe("Vault"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),
  ]
)
