/** Engines: one interface, one adapter per wire. */
export type * from './types.ts'
