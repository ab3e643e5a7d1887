/**
 * Ids, clock, errors, configuration, limits, logging, metrics, and what steps of an engine compute;
 * no I/O beyond standard output and the files that configuration names.
 */
export { BackgroundTurn } from './background-turn.ts'
export { checked, invalidValue, type Problem, problemsOf, tried } from './check.ts'
export { type Clock, systemClock, type Timer } from './clock.ts'
export { childEnvironment, configurationTable, readConfig } from './config.ts'
export { type ConfigReport, reportConfig } from './config-report.ts'
export type { Config, TracesConfig } from './config-types.ts'
export {
  anthropicErrorBody,
  anthropicErrors,
  anthropicErrorType,
  type ErrorShape,
  openAiErrors,
} from './error-shapes.ts'
export {
  type ErrorCode,
  type ErrorDetails,
  type ErrorType,
  errorHeaders,
  errorTable,
  GristmillError,
  openAiErrorBody,
  toGristmillError,
} from './errors.ts'
export { digitsOf, parseExactly } from './exact-json.ts'
export { FakeClock } from './fake-clock.ts'
export { type Fate, type Fates, ignored, refused, translated } from './fates.ts'
export { HotCounter, HotHistogram, type HotRow, LabelHistogram } from './hot-metrics.ts'
export { type IdPrefix, idsFrom, idTimeMs, newId } from './ids.ts'
export { LeaseTime } from './lease-time.ts'
export { type LimitEntry, type Limits, limitTable } from './limits.ts'
export { createLogger, type Logger } from './logging.ts'
export { Counter, createRegistry, Gauge, Histogram, Registry } from './metrics.ts'
export {
  decimalOf,
  dividedHalfEven,
  nanosOf,
  nanosOfBooked,
  Sharing,
  sharedOut,
  signedNanosOf,
} from './money.ts'
export { Pace } from './pace.ts'
export { promisedTokenGapMs, TTFT_PROMISE_MS } from './promises.ts'
export { type Random, seededRandom, systemRandom } from './random.ts'
export type { ReadPiece } from './read-cost.ts'
export { Reading } from './reading.ts'
export { NOT_LISTED, Roster, type RosterMember } from './roster.ts'
export { Rounds } from './rounds.ts'
export { SEAL_KEY_BYTES, SEAL_OVERHEAD_BYTES, sealBytes, unsealBytes } from './sealing.ts'
export { MOVED_TOKENS_MAX, SequencePool, type TakenSequence } from './sequence-pool.ts'
export {
  type Band,
  bandOf,
  bands,
  lowerClass,
  RANKS_PER_CLASS,
  type ServiceClass,
  serviceClasses,
  wireTier,
} from './service-class.ts'
export { ShortLivedMap } from './short-lived-map.ts'
export { choosePass, type FillableSequence, movesTogether } from './step-pass.ts'
export {
  notePassed,
  type Piece,
  planStep,
  REST_TOKENS_MAX,
  type ReadStep,
  type StepCandidate,
  type StepPlan,
} from './step-plan.ts'
export { isBackground, type StepRoom } from './step-room.ts'
export { tagsOf, tagsSchema } from './tags.ts'
