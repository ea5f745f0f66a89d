// swift-tools-version:5.7
import PackageDescription

let package = Package(
    name: "Quickstart",
    targets: [
        .systemLibrary(name: "CArmoriq", pkgConfig: "armoriq"),
        .executableTarget(name: "Quickstart", dependencies: ["CArmoriq"]),
    ]
)
