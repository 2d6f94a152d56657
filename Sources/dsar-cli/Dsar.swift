import ArgumentParser

@main
struct Dsar: AsyncParsableCommand {
}
