/** The shapes of the admin API, as the server declares them. Types only. */
export type * from '../../../src/http/contract.ts'
