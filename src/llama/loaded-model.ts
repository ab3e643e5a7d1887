/** Loads a GGUF model and makes the sequences that the driver drives. */
import { basename } from 'node:path'
import {
  type CustomBatchingPrioritizationStrategy,
  getLlama,
  type Llama,
  type LlamaContext,
  LlamaLogLevel,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp'
import { GristmillError, type Logger } from '../base/index.ts'
import { type GgufSummary, inspectGguf } from './gguf.ts'
import { LlamaRunner } from './llama-runner.ts'
import type { Runner } from './runner.ts'
import { openStateFile } from './state-file.ts'
import { ThreadChoice, type ThreadCounts } from './thread-choice.ts'

export type GpuChoice = 'off' | 'auto' | 'cuda' | 'vulkan' | 'metal'

export interface LoadedModel {
  /** Name under which the model is served. */
  name: string
  path: string
  summary: GgufSummary
  llama: Llama
  model: LlamaModel
  /** Those that end a generation. */
  endTokens: ReadonlySet<Token>
}

export interface SequenceOptions {
  sequences: number
  /** Of each sequence. */
  contextTokens: number
  threads: ThreadCounts
  /** Largest number of tokens computed in one batch. */
  batchTokens: number
  onSampler(): void
  logger: Logger
}

/**
 * Loads a model; nothing is downloaded or built.
 * @throws GristmillError `model_file_invalid` when the file is not a usable model
 */
export async function loadModel(
  path: string,
  options: { name: string | undefined; gpu: GpuChoice; logger: Logger },
): Promise<LoadedModel> {
  const [summary, llama] = await Promise.all([inspectGguf(path), openLibrary(options)])
  const model = await llama.loadModel({ modelPath: path }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    throw new GristmillError('model_file_invalid', { path, reason }, { cause: error })
  })
  const name = options.name ?? basename(path).replace(/\.gguf$/i, '')
  const endTokens = new Set([...model.iterateAllTokens()].filter((one) => model.isEogToken(one)))
  return { name, path, summary, llama, model, endTokens }
}

/** The library, once it has tried out in a process of its own that it runs here. */
function openLibrary({ gpu, logger }: { gpu: GpuChoice; logger: Logger }): Promise<Llama> {
  return getLlama({
    gpu: gpu === 'off' ? false : gpu,
    build: 'never',
    progressLogs: false,
    logLevel: LlamaLogLevel.warn,
    logger: (level, message) => {
      const text = message.trim()
      if (level === LlamaLogLevel.error || level === LlamaLogLevel.fatal)
        logger.error({ source: 'llama.cpp' }, text)
      else logger.debug({ source: 'llama.cpp' }, text)
    },
  })
}

export interface OpenSequences {
  runners: Runner[]
  threads: ThreadChoice
  /** Sets the number of threads of the batches to come. */
  setThreads(count: number): void
  close(): Promise<void>
}

/** Sequences over one new context, and the means to free it; none needs none. */
export async function openSequences(
  { model, endTokens }: LoadedModel,
  options: SequenceOptions,
): Promise<OpenSequences> {
  const threads = new ThreadChoice(options.threads)
  const { onSampler } = options
  if (options.sequences === 0) {
    return { runners: [], threads, setThreads: () => undefined, close: async () => {} }
  }
  const context = await model.createContext({
    sequences: options.sequences,
    contextSize: options.contextTokens,
    batchSize: options.batchTokens,
    // Where llama.cpp can: on a processor a step of eight streams takes a sixth less.
    flashAttention: 'auto',
    threads: { ideal: options.threads.all, min: options.threads.all },
    batching: { itemPrioritizationStrategy: inOrderOfSequences },
  })
  const stateFile = openStateFile((error) => {
    options.logger.info({ err: error }, 'requests stay at the sequences that they have')
  })
  const runners = Array.from(
    { length: options.sequences },
    (_, index) =>
      new LlamaRunner(context.getSequence(), index, { endTokens, stateFile, onSampler }),
  )
  const close = async () => {
    await context.dispose()
    stateFile?.close()
  }
  return { runners, threads, setThreads: threadsOf(context), close }
}

/** The library sets the threads of a context before each batch, always to the same number. */
function threadsOf(context: LlamaContext): (count: number) => void {
  const { _ctx: native } = context as unknown as { _ctx: { setThreads(count: number): void } }
  const set = native.setThreads.bind(native)
  let most = Number.POSITIVE_INFINITY
  const value = (count: number) => set(Math.min(count, most))
  Object.defineProperty(native, 'setThreads', { value })
  return (count) => {
    most = count
  }
}

/**
 * Batches are in the order of the sequences, whichever came first: llama.cpp computes 0, 1, 2 in
 * one pass and 2, 1, 0 in three. A runner tells its position as its priority.
 */
const inOrderOfSequences: CustomBatchingPrioritizationStrategy = ({ items }) =>
  items
    .toSorted((a, b) => a.evaluationPriority - b.evaluationPriority)
    .map((item) => ({ item, processAmount: item.tokens.length }))
