/** The pool: the scheduler, the engines behind it, and what it tells about itself. */
export { PoolCalibrationPlaces } from './calibration-places.ts'
export {
  CapControl,
  type CapOptions,
  type CapReading,
  type CapState,
  type EngineSignals,
} from './cap-control.ts'
export { type CounterRow, countersOf, restoreCounters, standingOf } from './counters.ts'
export { floorOf, lastChangeOf, queueOf } from './floor.ts'
export { Pool, type PoolOptions } from './pool.ts'
export { waitedTooLong } from './refusals.ts'
export {
  defaultReserveOptions,
  ReserveControl,
  type ReserveOptions,
  type ReserveReading,
  type ReserveState,
} from './reserve-control.ts'
export { RetryBudgets } from './retry-budget.ts'
export { Scheduler } from './scheduler.ts'
export type * from './scheduler-types.ts'
export { defaultSchedulerConfig } from './scheduler-types.ts'
export { type BatchPortion, type Lengths, mixOf, portionsOf, SimBatches } from './sim-batch.ts'
export { capacityOf, promiseOf, type SimCapacity } from './sim-capacity.ts'
export { type Dedicated, type DedicatedOptions, dedicatedEngines } from './sim-dedicated.ts'
export { exampleTrace } from './sim-example.ts'
export {
  type Fleet,
  type FleetRun,
  fewestEngines,
  ownReadingP99Ms,
  playFleet,
  unitsOf,
} from './sim-fleet.ts'
export {
  DAY_MS,
  dailyCurve,
  generateFromRates,
  generateTrace,
  HOUR_MS,
  publicStatistics,
  repeatOverDay,
  splitTenants,
} from './sim-generate.ts'
export { importTrace, parseClientLengths, parseRates, traceFormat } from './sim-import.ts'
export { type LedgerRequest, ledgerTraceRow } from './sim-ledger.ts'
export { measuredProfile } from './sim-measured.ts'
export { type PlanOptions, type PlanStep, planFor } from './sim-plan.ts'
export type { EngineProfile } from './sim-profile.ts'
export { builtInProfiles, costOfProfile, decodeStepMs, parseProfile } from './sim-profile.ts'
export { type FirstTokens, type SimPromise, SimRecorder, type Tail } from './sim-recorder.ts'
export {
  type PrefixPart,
  parseTrace,
  TraceReader,
  type TraceRow,
  traceHeader,
  traceLine,
} from './sim-trace.ts'
export type * from './sim-types.ts'
export { DEFAULT_MODEL } from './sim-types.ts'
export { type PlanChange, type WhatIfOptions, whatIf } from './sim-what-if.ts'
export { Simulation, type SimulationOptions } from './simulator.ts'
export { TargetPlaces } from './target-places.ts'
export type { PoolTicket, Running } from './ticket.ts'
export type * from './types.ts'
export { utilisationOf } from './utilisation.ts'
export type { Beginning } from './warm-prefixes.ts'
