/** Composes the engine program: model, calibration, driver, routes, server. */
import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import {
  type Clock,
  GristmillError,
  type Logger,
  limitTable,
  Pace,
  type Random,
  REST_TOKENS_MAX,
} from '../base/index.ts'
import {
  type Calibration,
  CalibrationCache,
  calibrate,
  enoughStreams,
  streamCounts,
} from './calibration.ts'
import { handleChat } from './chat-route.ts'
import { ChatTemplate } from './chat-template.ts'
import { handleCompletions } from './completion-route.ts'
import { Driver } from './driver.ts'
import { Embedder } from './embedder.ts'
import { handleEmbeddings } from './embedding-route.ts'
import type { Engine } from './engine.ts'
import { EngineMetrics } from './engine-metrics.ts'
import { createHttpServer, type Exchange, type Route } from './http-server.ts'
import {
  handleCancel,
  handleHealth,
  handleMetrics,
  handleModels,
  handleRequest,
  handleTokenize,
} from './info-routes.ts'
import { type LoadedModel, loadModel, openSequences } from './loaded-model.ts'
import { contextTokensFor } from './memory-fit.ts'
import { type EngineOptions, type ParsedEngineOptions, parseEngineOptions } from './options.ts'
import { RequestLog } from './request-log.ts'
import { SamplerMemory } from './sampler-memory.ts'
import { forcedRequest, SWEEP_CONTEXT_TOKENS, sweepWith } from './sweep.ts'
import type { ThreadCounts } from './thread-choice.ts'
import { tokenBytesOf } from './token-bytes.ts'

export interface EngineResources {
  clock: Clock
  random: Random
  logger: Logger
}

export interface RunningEngine {
  url: string
  /** What the ready line says. */
  ready: Record<string, unknown>
  /**
   * Refuses new requests, gives running ones `graceMs` to finish, ends the rest, frees everything.
   */
  close(graceMs: number): Promise<void>
}

type Handle = (engine: Engine, exchange: Exchange) => Promise<void> | void

/** Prompt tokens that one batch may hold beside the decoding sequences. */
const READ_TOKENS_MAX = 512
/** Length of a step that only reads prompts: a newcomer waits for it. */
const READ_STEP_MS = 250
const YIELD_MS_MAX = 5000
const WAITING_MAX = 256
/** Models below this size gain nothing from a second thread. */
const SINGLE_THREAD_PARAMETERS = 20e6
/** On machines with more cores than this one is always left free. */
const ALL_CORES_MAX = 8

/**
 * Starts an engine: listens at once, answers 503 while it loads, resolves when it is ready.
 * @throws GristmillError `invalid_config`, `model_file_invalid`, `port_in_use`
 */
export async function runEngine(
  given: EngineOptions,
  resources: EngineResources,
): Promise<RunningEngine> {
  const options = parseEngineOptions(given)
  const state: { engine: Engine | undefined; closing: boolean } = {
    engine: undefined,
    closing: false,
  }
  const server = createHttpServer({
    ...resources,
    bodyBytesMax: limitTable.bodyBytesMax.default,
    headerBytesMax: limitTable.headerBytesMax.default,
    routes: routesOf(() => {
      if (state.closing) throw new GristmillError('shutting_down', {}, { retryAfterMs: 1000 })
      if (state.engine) return state.engine
      const reason = 'the engine is still loading its model'
      throw new GristmillError('not_ready', { reason }, { retryAfterMs: 1000 })
    }),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      const { host, port } = options
      const inUse = error.code === 'EADDRINUSE'
      reject(inUse ? new GristmillError('port_in_use', { host, port }, { cause: error }) : error)
    })
    server.listen(options.port, options.host, () => resolve((server.address() as AddressInfo).port))
  })
  const loaded = await loadModel(options.model, {
    ...resources,
    name: options.id,
    gpu: options.gpu,
  })
  const { engine, free } = await assemble(loaded, options, resources)
  state.engine = engine
  const url = `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`
  return {
    url,
    ready: readyLine(engine, url),
    async close(graceMs) {
      state.closing = true
      server.close()
      await drain(engine, graceMs)
      server.closeAllConnections()
      await free()
    },
  }
}

async function drain({ requests, clock }: Engine, graceMs: number): Promise<void> {
  const untilMs = clock.monotonicMs() + graceMs
  while (requests.running().length > 0 && clock.monotonicMs() < untilMs) await clock.sleep(20)
  for (const record of requests.running()) record.abort(new GristmillError('shutting_down'))
  const hardMs = clock.monotonicMs() + 2000
  while (requests.running().length > 0 && clock.monotonicMs() < hardMs) await clock.sleep(20)
}

function readyLine(engine: Engine, url: string): Record<string, unknown> {
  const { loaded, cap, express, spare, contextTokens, threads, calibration } = engine
  return {
    ready: true,
    url,
    model: loaded.name,
    cap,
    express,
    slots: cap + express + spare,
    contextTokens,
    threads,
    calibration: calibration ?? null,
  }
}

async function assemble(
  loaded: LoadedModel,
  options: ParsedEngineOptions,
  resources: EngineResources,
): Promise<{ engine: Engine; free(): Promise<void> }> {
  const { clock, logger } = resources
  const { embedsOnly } = loaded.summary
  const memory = new SamplerMemory(loaded.summary.vocabularySize)
  const calibration = await calibrationOf(loaded, options, resources, memory)
  const threads = options.threads ?? calibration?.threads ?? threadsFor(loaded)
  const cap = options.cap ?? calibration?.knee ?? 1
  const express = options.express ?? Math.max(1, Math.ceil(cap / 8))
  const spare = options.spare ?? (embedsOnly ? 0 : cap)
  const slots = cap + express + spare
  const contextTokens = contextTokensFor(loaded.model, slots, options.context)
  const sequences = await openSequences(loaded, {
    sequences: embedsOnly ? 0 : slots,
    contextTokens,
    threads: threadCounts(loaded, options, threads),
    batchTokens: READ_TOKENS_MAX + REST_TOKENS_MAX + slots,
    onSampler: () => memory.noteSampler(),
    logger,
  })
  const metrics = new EngineMetrics()
  const enough = calibration ? enoughStreams(calibration) : cap + express
  const driver = new Driver({
    ...sequences,
    clock,
    pace: paceFrom(calibration),
    waitingMax: WAITING_MAX,
    room: cap + express,
    enough,
    yieldMsMax: YIELD_MS_MAX,
    isEndToken: (token) => loaded.endTokens.has(token),
    onStep(report) {
      metrics.step(report)
      memory.collectIfDue()
    },
  })
  const embedder = new Embedder(loaded.model, { contextTokens, threads })
  metrics.watch(driver, embedder, enough)
  if (!embedsOnly) await warmUp(driver, loaded)
  logger.info({ model: loaded.name, cap, express, spare, contextTokens, threads }, 'engine ready')
  const template = new ChatTemplate(loaded.model, contextTokens)
  const requests = new RequestLog(clock)
  const engine: Engine = {
    ...resources,
    loaded,
    driver,
    template,
    tokenBytes: tokenBytesOf(loaded.model),
    contextTokens,
    threads,
    cap,
    express,
    spare,
    calibration: embedsOnly ? await embedder.rate(clock) : calibration,
    requests,
    metrics,
    embedder,
  }
  const free = async () => {
    await embedder.close()
    await sequences.close()
    await loaded.model.dispose()
  }
  return { engine, free }
}

/** Knows from the start how long steps took when the engine was measured. */
function paceFrom(calibration: Calibration | undefined): Pace {
  const pace = new Pace({ readTokensMax: READ_TOKENS_MAX, readStepMs: READ_STEP_MS })
  for (const { streams, meanTokenGapP95Ms } of calibration?.rows ?? [])
    pace.record(meanTokenGapP95Ms, streams, [])
  return pace
}

/** Lets the library touch all weights once, so that the first request is as quick as the next. */
async function warmUp(driver: Driver, { model }: LoadedModel): Promise<void> {
  const prompt = model.tokenize('The first words are the slowest. '.repeat(3))
  await driver.run(forcedRequest(prompt, 4, 'warm-up'))
}

/** Cores that computing takes while other programs need one; see `ThreadChoice`. */
function coresToUse(): number {
  return Math.max(1, availableParallelism() - 1)
}

function threadsFor(loaded: LoadedModel): number {
  return isTiny(loaded) ? 1 : coresToUse()
}

/** The last core is worth trying where it is a large part of them. */
function threadCounts(
  loaded: LoadedModel,
  options: ParsedEngineOptions,
  few: number,
): ThreadCounts {
  const cores = availableParallelism()
  const isFixed = options.threads !== undefined || isTiny(loaded)
  const takesAll = !isFixed && few === coresToUse() && cores <= ALL_CORES_MAX
  return { few, all: takesAll ? cores : few }
}

const isTiny = ({ summary }: LoadedModel) => summary.parameters < SINGLE_THREAD_PARAMETERS

/** From the cache, else measured and then kept there; nothing where none is to be measured. */
async function calibrationOf(
  loaded: LoadedModel,
  options: ParsedEngineOptions,
  { clock, logger }: EngineResources,
  memory: SamplerMemory,
): Promise<Calibration | undefined> {
  const { name, summary } = loaded
  if (options['sweep-ms'] === 0 || summary.embedsOnly) return undefined
  const cache =
    options.cache === undefined
      ? undefined
      : new CalibrationCache(options.cache, {
          model: { name, fileBytes: summary.fileBytes, parameters: summary.parameters },
          gpu: loaded.llama.gpu,
          cap: options.cap,
          cores: availableParallelism(),
          threads: options.threads,
          libraryVersion: loaded.llama.llamaCppRelease.release,
        })
  const stored = await cache?.read()
  if (stored) return stored
  logger.info({ model: name, durationMs: options['sweep-ms'] }, 'calibrating')
  let close = async () => {}
  const counts = streamCounts(options.cap)
  const measure = sweepWith({
    clock,
    prompt: (text) => loaded.model.tokenize(text),
    onStep: () => memory.collectIfDue(),
    async open(threads) {
      await close()
      const sequences = await openSequences(loaded, {
        sequences: Math.max(...counts),
        contextTokens: SWEEP_CONTEXT_TOKENS,
        threads: threadCounts(loaded, options, threads),
        batchTokens: READ_TOKENS_MAX + REST_TOKENS_MAX,
        onSampler: () => memory.noteSampler(),
        logger,
      })
      close = sequences.close
      return sequences
    },
  })
  const cores = coresToUse()
  const threadsTried =
    options.threads === undefined
      ? [...new Set([1, Math.ceil(cores / 2), cores])].slice(cores > 4 ? 1 : 0)
      : [options.threads]
  const durationMs = options['sweep-ms']
  const calibration = await calibrate(measure, {
    counts,
    threadCounts: threadsTried,
    durationMs,
    clock,
  })
  await close()
  if (calibration) await cache?.write(calibration)
  else logger.warn({ model: name }, 'too slow to be calibrated; --cap says how many it answers')
  return calibration
}

/** For models that write. @throws GristmillError `model_only_embeds` for others */
function writes(handle: Handle): Handle {
  return (engine, exchange) => {
    const { name, summary } = engine.loaded
    if (summary.embedsOnly) throw new GristmillError('model_only_embeds', { model: name })
    return handle(engine, exchange)
  }
}

function routesOf(engine: () => Engine): Route[] {
  const route = (method: Route['method'], path: string, handle: Handle): Route => ({
    method,
    path,
    handle: (exchange) => handle(engine(), exchange),
  })
  return [
    route('POST', '/v1/chat/completions', writes(handleChat)),
    route('POST', '/v1/completions', writes(handleCompletions)),
    route('POST', '/v1/embeddings', handleEmbeddings),
    route('GET', '/v1/models', handleModels),
    route('GET', '/health', handleHealth),
    route('GET', '/metrics', handleMetrics),
    route('GET', '/v1/requests/:id', handleRequest),
    route('POST', '/v1/requests/:id/cancel', handleCancel),
    route('POST', '/tokenize', handleTokenize),
  ]
}
