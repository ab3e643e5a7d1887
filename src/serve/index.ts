/** Parts of the composition: each joins rooms that do not know each other. */
export { type BatchPart, batchPart } from './batch-part.ts'
export { type DatabasePart, openDatabasePart } from './database-part.ts'
export { engineService, modelsOf } from './engine-service.ts'
export { floorView } from './floor-view.ts'
export { type ChosenModel, chooseModel, TOY_MODEL } from './model-choice.ts'
export { readiness } from './readiness.ts'
export { ledgerWhileOurs } from './scheduling-right.ts'
export { localToken, writeServerFile } from './server-file.ts'
