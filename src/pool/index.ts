/** The pool: the scheduler, the engines behind it, and what it tells about itself. */
export { floorOf, queueOf } from './floor.ts'
export { Pool, type PoolOptions } from './pool.ts'
export { Scheduler } from './scheduler.ts'
export type * from './scheduler-types.ts'
export { defaultSchedulerConfig } from './scheduler-types.ts'
export type * from './types.ts'
