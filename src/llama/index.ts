/** The `gristmill engine` program: one GGUF model behind the OpenAI wire. Imports base only. */

import { extname } from 'node:path'
import type { EngineResources, RunningEngine } from './main.ts'
import type { EngineOptions } from './options.ts'

export { type GgufSummary, inspectGguf } from './gguf.ts'
export type { EngineResources, RunningEngine } from './main.ts'
export { writeFromParts } from './model-from-parts.ts'
export { type EngineOptions, engineArguments, parseEngineArguments } from './options.ts'
export { type ToyModelOptions, writeToyModel } from './toy-model.ts'

/**
 * The file to run as a process of its own: `node engineEntry.pathname …engineArguments(options)`.
 */
export const engineEntry: URL = new URL(
  // `.js` in the package.
  `./engine-process${extname(import.meta.url)}`,
  import.meta.url,
)

/** See `runEngine` of `main.ts`; loaded late, because the inference library takes half a second. */
export async function runEngine(
  options: EngineOptions,
  resources: EngineResources,
): Promise<RunningEngine> {
  const { runEngine: run } = await import('./main.ts')
  return run(options, resources)
}
