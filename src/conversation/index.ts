/** Responses that are kept, and what is said on from them. */

export { ResponseDoor, type ResponseDoorOptions } from './response-door.ts'
export { ResponseStore, type ResponseStoreOptions } from './response-store.ts'
export { ResponseSweep, type ResponseSweepOptions } from './response-sweep.ts'
