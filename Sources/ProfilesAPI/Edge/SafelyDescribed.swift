import Audit
import Custody
import Postgres
import Vault

/// An error whose description never holds a value of anybody's: our own.
protocol SafelyDescribed: Error, CustomStringConvertible {}

extension PostgresError: SafelyDescribed {}
extension VaultError: SafelyDescribed {}
extension AuditError: SafelyDescribed {}
extension CustodyError: SafelyDescribed {}
