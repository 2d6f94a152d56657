// swift-tools-version: 6.2
import PackageDescription

/// One list of settings for every target of our own: warnings are errors, memory safety is checked,
/// existentials are spelled, imports are internal unless they say otherwise.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .treatWarning("DeprecatedDeclaration", as: .warning),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// Tests keep the language mode and the warnings, without the bookkeeping of `unsafe` and of imports.
let testing: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .treatWarning("DeprecatedDeclaration", as: .warning),
  .enableUpcomingFeature("ExistentialAny"),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
  name: "lethe",
  products: [
    .executable(name: "lethe", targets: ["lethe"]),
    .executable(name: "dsar", targets: ["dsar"]),
    .library(name: "Vault", targets: ["Vault"]),
    .library(name: "Audit", targets: ["Audit"]),
    .library(name: "Tokens", targets: ["Tokens"]),
    .library(name: "Signing", targets: ["Signing"]),
    .library(name: "StrictJSON", targets: ["StrictJSON"]),
    .library(name: "Postgres", targets: ["Postgres"]),
    .library(name: "LocalCluster", targets: ["LocalCluster"]),
    .library(name: "ProfilesAPI", targets: ["ProfilesAPI", "Custody", "Profiles", "SubjectRights", "Schema"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // System libraries: a module map and a shim each.
    .systemLibrary(name: "CFileFlags"),
    .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
    .target(name: "CProcess"),

    // Pure parts.
    .target(name: "Vault", dependencies: ["CSodium"], swiftSettings: strict),
    .target(name: "Signing", dependencies: ["COpenSSL"], swiftSettings: strict),
    .target(name: "StrictJSON", dependencies: ["CJansson"], swiftSettings: strict),
    .target(name: "Redaction", dependencies: [logging], swiftSettings: strict),
    .target(name: "Audit", dependencies: ["CFileFlags", "Signing", "StrictJSON"], swiftSettings: strict),
    .target(name: "Certificates", dependencies: ["Audit", "Signing", "StrictJSON"], swiftSettings: strict),
    .target(name: "Tokens", dependencies: ["Signing", "StrictJSON"], swiftSettings: strict),
    .target(name: "Policies", dependencies: ["Audit", "Signing", "StrictJSON"], swiftSettings: strict),
    .target(name: "SampleData", swiftSettings: strict),

    // Databases.
    .target(name: "Postgres", dependencies: ["CPostgres", logging], swiftSettings: strict),
    .target(name: "PostgresPrograms", dependencies: ["CProcess"], swiftSettings: strict),
    .target(name: "LocalCluster", dependencies: ["PostgresPrograms"], swiftSettings: strict),
    .target(name: "Schema", dependencies: ["Postgres"], swiftSettings: strict),
    .target(
      name: "Backups", dependencies: ["Postgres", "PostgresPrograms", "Signing", "StrictJSON", logging],
      swiftSettings: strict),

    // The only door to personal data, and the domain behind it.
    .target(
      name: "Custody",
      dependencies: ["Audit", "Postgres", "Redaction", "Schema", "Signing", "StrictJSON", "Vault", logging],
      swiftSettings: strict),
    .target(
      name: "Profiles",
      dependencies: ["Audit", "Custody", "Postgres", "Redaction", "Schema", "StrictJSON", "Vault"],
      swiftSettings: strict),
    .target(
      name: "SubjectRights",
      dependencies: [
        "Audit", "Certificates", "Custody", "Policies", "Postgres", "Profiles", "Redaction", "Schema", "Signing",
        "StrictJSON", logging,
      ],
      swiftSettings: strict),

    // Translation to HTTP, and the programs.
    .target(
      name: "ProfilesAPI",
      dependencies: [
        "Audit", "Backups", "Custody", "Policies", "Postgres", "Profiles", "Redaction", "Signing", "StrictJSON",
        "SubjectRights", "Tokens", "Vault", httpTypes, hummingbird, logging, nioCore, nioPosix, lifecycle, unixSignals,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "lethe",
      dependencies: [
        "Backups", "Custody", "LocalCluster", "Policies", "Postgres", "Profiles", "ProfilesAPI", "Redaction",
        "SampleData", "Schema", "Signing", "StrictJSON", "SubjectRights", "Tokens", "Vault", argumentParser,
        asyncHTTPClient, configuration, logging, nioCore, nioPosix,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "dsar",
      dependencies: [
        "Audit", "Certificates", "Signing", "StrictJSON", "Tokens", argumentParser, asyncHTTPClient, nioCore, nioHTTP1,
      ],
      path: "Sources/dsar-cli", swiftSettings: strict),

    // Tests, and what they start by themselves.
    .target(
      name: "PostgresTesting", dependencies: ["LocalCluster", "Postgres", "PostgresPrograms"], swiftSettings: strict),
    .target(
      name: "ServiceTesting",
      dependencies: [
        "Custody", "Postgres", "PostgresTesting", "ProfilesAPI", "Redaction", "Schema", "Signing", "StrictJSON",
        "SubjectRights", "Tokens", "Vault", asyncHTTPClient, logging, nioCore, nioHTTP1, "LocalCluster",
      ],
      swiftSettings: strict),
    .testTarget(name: "VaultTests", dependencies: ["Vault"], exclude: ["Vectors"], swiftSettings: testing),
    .testTarget(name: "SigningTests", dependencies: ["Signing"], swiftSettings: testing),
    .testTarget(name: "StrictJSONTests", dependencies: ["StrictJSON"], swiftSettings: testing),
    .testTarget(name: "RedactionTests", dependencies: ["Redaction", logging], swiftSettings: testing),
    .testTarget(name: "AuditTests", dependencies: ["Audit", "Signing", "StrictJSON"], swiftSettings: testing),
    .testTarget(
      name: "CertificatesTests", dependencies: ["Audit", "Certificates", "Signing", "StrictJSON"],
      swiftSettings: testing),
    .testTarget(name: "TokensTests", dependencies: ["Signing", "StrictJSON", "Tokens"], swiftSettings: testing),
    .testTarget(name: "SampleDataTests", dependencies: ["SampleData"], swiftSettings: testing),
    .testTarget(
      name: "PostgresTests", dependencies: ["LocalCluster", "Postgres", "PostgresTesting", logging],
      swiftSettings: testing),
    .testTarget(
      name: "SchemaTests", dependencies: ["Postgres", "PostgresTesting", "Schema", "ServiceTesting"],
      swiftSettings: testing),
    .testTarget(
      name: "BackupsTests",
      dependencies: [
        "Backups", "Custody", "Postgres", "PostgresPrograms", "PostgresTesting", "ProfilesAPI", "Schema",
        "ServiceTesting", "Signing", "StrictJSON",
      ],
      swiftSettings: testing),
    .testTarget(
      name: "CustodyTests",
      dependencies: [
        "Audit", "Custody", "Postgres", "PostgresTesting", "Profiles", "ProfilesAPI", "Redaction", "Schema",
        "ServiceTesting", "Signing", "StrictJSON", "SubjectRights", "Vault", logging,
      ],
      swiftSettings: testing),
    .testTarget(
      name: "ProfilesAPITests",
      dependencies: [
        "Audit", "Certificates", "Custody", "Policies", "PostgresTesting", "Profiles", "ProfilesAPI", "SampleData",
        "Schema", "ServiceTesting", "Signing", "StrictJSON", "SubjectRights", "Tokens", asyncHTTPClient,
      ],
      swiftSettings: testing),
    .testTarget(
      name: "LetheTests",
      dependencies: [
        "Audit", "Custody", "LocalCluster", "Postgres", "PostgresTesting", "Profiles", "ProfilesAPI", "Schema",
        "ServiceTesting", "Signing", "StrictJSON", "Tokens", "Vault", "dsar", "lethe", asyncHTTPClient, logging,
        nioCore, nioHTTP1,
      ],
      swiftSettings: testing),
    .testTarget(
      name: "DsarTests",
      dependencies: ["Audit", "Certificates", "Signing", "StrictJSON", "Tokens", "dsar"],
      swiftSettings: testing),
  ]
)
