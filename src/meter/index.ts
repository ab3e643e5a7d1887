/** The ledger: what every request used, booked exactly once. */
export type * from './types.ts'
