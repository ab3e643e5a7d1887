/** The pool: the scheduler, the engines behind it, and what it tells about itself. */
export {
  CapControl,
  type CapOptions,
  type CapReading,
  type CapState,
  type EngineSignals,
} from './cap-control.ts'
export { floorOf, queueOf } from './floor.ts'
export { Pool, type PoolOptions } from './pool.ts'
export {
  defaultReserveOptions,
  ReserveControl,
  type ReserveOptions,
  type ReserveReading,
  type ReserveState,
} from './reserve-control.ts'
export { Scheduler } from './scheduler.ts'
export type * from './scheduler-types.ts'
export { defaultSchedulerConfig } from './scheduler-types.ts'
export type * from './types.ts'
