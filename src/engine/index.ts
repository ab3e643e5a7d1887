/** Engines: one interface, one adapter per wire, and the list of those that are registered. */
export { chatFates } from './anthropic/fields.ts'
export { messagesRequest } from './anthropic/request.ts'
export {
  type CalibrationPoint,
  calibrationOf,
  type EngineCalibration,
  fitTimes,
  type Tokens,
  unitsPerS,
} from './calibration.ts'
export { type CalibrationRow, insertCalibration, readCalibrations } from './calibration-rows.ts'
export { type CalibrationPlace, type CalibrationPlaces, measureEngine } from './calibrator.ts'
export {
  type EmbeddedEngine,
  type EmbeddedEngineOptions,
  startEmbeddedEngine,
} from './embedded-engine.ts'
export { EngineFailure, type EngineFailureKind } from './engine-failure.ts'
export type { EngineInput } from './engine-input.ts'
export { keyFingerprint } from './engine-keys.ts'
export { EMBEDDED_ENGINE_ID, EMBEDDING_ENGINE_ID, EngineRegistry } from './engine-registry.ts'
export type * from './engine-registry-types.ts'
export { hasSharedCache, summaryOf } from './engine-summary.ts'
export { expressBeside } from './kinds/traits.ts'
export { OpenAiEngine, type OpenAiEngineOptions } from './openai-engine.ts'
export type { RegisteredModel } from './registered-models.ts'
export { presets, type ServiceName, serviceNames } from './services/presets.ts'
export type { RateLevel, RateReport } from './services/rate-limits.ts'
export {
  answerChat,
  beginStream,
  chatFrames,
  gristmillModels,
  type SeenRequest,
  sendJson,
  startTestEngine,
  type TestEngine,
  usage,
} from './test-engine.ts'
export type * from './types.ts'
