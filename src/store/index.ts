/** PostgreSQL: started or connected to, its schema, transactions and notifications. */
export {
  connect,
  connectionError,
  isUnreachable,
  parseAddress,
  type Queries,
  type Sql,
  type Transaction,
  wasNeverSent,
} from './connection.ts'
export {
  type Database,
  type OpenDatabaseOptions,
  openDatabase,
} from './database.ts'
export { type DumpHead, type DumpTable, DumpWriter, dumpDatabase, isEmpty } from './dump.ts'
export { type EmbeddedDatabase, type EmbeddedOptions, startEmbedded } from './embedded.ts'
export {
  type Fence,
  type Lease,
  type LeaseOptions,
  type LeaseState,
  takeSchedulerLease,
} from './lease.ts'
export { type MigrateOptions, migrate } from './migrate.ts'
export { type SharedRight, type SharedRightOptions, shareDatabase } from './shared-right.ts'
export { readTableSizes, type TableSize } from './table-sizes.ts'
export { openTestDatabase, type TestDatabase } from './test-database.ts'
export { textArray } from './text-array.ts'
