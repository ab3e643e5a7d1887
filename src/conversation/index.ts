/** Responses that are kept, and what is said on from them. */

export { storedResponses } from './background-store.ts'
export { ResponseDoor, type ResponseDoorOptions } from './response-door.ts'
export { ResponseRunner, type ResponseRunnerOptions } from './response-runner.ts'
export { ResponseStore, type ResponseStoreOptions } from './response-store.ts'
export { ResponseSweep, type ResponseSweepOptions } from './response-sweep.ts'
