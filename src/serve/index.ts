/** Parts of the composition: each joins rooms that do not know each other. */

export { alertsPart } from './alerts-part.ts'
export { type BackupResult, writeBackup } from './backup.ts'
export { type BatchPart, batchPart } from './batch-part.ts'
export { Calibrations } from './calibrations.ts'
export { isRecorder, queueingOf, settleLeftOpen } from './cluster-part.ts'
export { clusterView } from './cluster-view.ts'
export { type ConversationPart, conversationPart } from './conversation-part.ts'
export { type DatabasePart, openDatabasePart, sharedSecret } from './database-part.ts'
export { engineService, modelsOf } from './engine-service.ts'
export { openEngines } from './engines-part.ts'
export { floorView } from './floor-view.ts'
export { type LoginPart, loginPart } from './login-part.ts'
export {
  type ChosenModel,
  checkModels,
  chooseEmbeddingModel,
  chooseModel,
  TOY_MODEL,
} from './model-choice.ts'
export {
  followOwnEngine,
  launchOwnEngine,
  measuresFirst,
  type OwnEngine,
} from './own-engine.ts'
export { type PlanDesk, planDesk } from './plan-desk.ts'
export { openPool } from './pool-part.ts'
export { readiness } from './readiness.ts'
export { checkBackup, restoreDatabase, restoreHome } from './restore.ts'
export { routeService } from './route-service.ts'
export { ledgerWhileOurs } from './scheduling-right.ts'
export { writeServerFile } from './server-file.ts'
export { storedIn } from './stored-answers.ts'
export { openTollPart, type TollPart } from './toll-part.ts'
export { openTracesPart, type TracesPart } from './traces-part.ts'
