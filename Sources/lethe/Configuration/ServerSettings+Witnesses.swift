import Policies
import ProfilesAPI

extension ServerSettings {
  /// The same settings with those witnesses.
  func with(_ witnesses: WitnessPolicy) -> ServerSettings {
    var settings = self
    settings.witnesses = witnesses
    return settings
  }
}
