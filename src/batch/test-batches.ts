/**
 * Batches on a real database for tests: real files, store and runner, and a gateway that answers
 * as the test says. Never used by the program.
 */
import {
  type Clock,
  createLogger,
  GristmillError,
  type Limits,
  limitTable,
  newId,
  seededRandom,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import type {
  CanonicalRequest,
  DoorPath,
  LineEnd,
  LineRequest,
  ReadAtDoor,
} from '../gateway/index.ts'
import type { Database, Fence } from '../store/index.ts'
import type { Principal, UseLimits } from '../tenancy/index.ts'
import { BatchRunner } from './batch-runner.ts'
import { findBatch, insertBatch, type NewBatch } from './batch-store.ts'
import type { BatchRow } from './batch-types.ts'
import { FileStore } from './file-store.ts'

const noLimits: UseLimits = {
  queueDepthMax: null,
  concurrencyMax: null,
  tokensPerMinute: null,
  waitMsMax: null,
}

export const creator: Principal = {
  keyId: 'key_1',
  keyName: 'key',
  tenantId: 'ten_1',
  tenantName: 'one',
  projectId: 'prj_1',
  projectName: 'one',
  scopes: new Set(['inference']),
  policy: {
    tenantWeight: 1,
    projectWeight: 1,
    classes: ['standard', 'batch'],
    defaultClass: 'standard',
    models: null,
    tenantLimits: noLimits,
    keyLimits: noLimits,
    responseCache: false,
    responseDays: 0,
    pricePlan: null,
    tags: [],
  },
}

/** What a scripted gateway does with a line. */
export type Answering = (line: LineRequest) => LineEnd | Promise<LineEnd> | 'never'

export interface TestBatches {
  files: FileStore
  runner: BatchRunner
  /** Every request that came, and what it was told its answer came to. */
  requests: { line: LineRequest; fate: string | undefined; isHurried: boolean }[]
  /** The most lines that were in flight at once. */
  inFlightMax(): number
  /** undefined: its key has ended; null: it may not at present. */
  principal: Principal | null | undefined
  /** Those that are there. */
  models: Set<string>
  limits: Limits
  /** An input file of these lines. */
  file(lines: readonly string[]): Promise<string>
  /** A batch of these lines; the runner is woken. */
  make(lines: readonly string[], changes?: Partial<BatchRow>): Promise<BatchRow>
  /** The batch once it has ended. */
  ended(id: string): Promise<BatchRow>
  textOf(fileId: string | null): Promise<string[]>
  close(): Promise<void>
}

const limits: Limits = Object.fromEntries(
  Object.entries(limitTable).map(([name, entry]) => [name, entry.default]),
) as Limits

/** A chat line as an SDK's user writes it. */
export function chatLine(customId: string, changes: Record<string, unknown> = {}): string {
  const body = { model: 'mill', messages: [{ role: 'user', content: customId }] }
  const url = '/v1/chat/completions'
  return JSON.stringify({ custom_id: customId, method: 'POST', url, body, ...changes })
}

export const usage = { inputTokens: 5, cachedTokens: 2, outputTokens: 3 }

/** A good answer that says which line it is for. */
export function goodAnswer({ request }: LineRequest): LineEnd {
  const body = Buffer.from(JSON.stringify({ object: 'chat.completion', of: request.fields }))
  return { answer: { status: 200, body }, error: null, usage }
}

function plainBatch(nowMs: number, inputFileId: string): NewBatch {
  return {
    id: newId('batch', systemClock, systemRandom),
    tenantId: creator.tenantId,
    projectId: creator.projectId,
    keyId: creator.keyId,
    endpoint: '/v1/chat/completions',
    serviceClass: 'batch',
    completionWindow: '24h',
    outputExpiresAfterS: null,
    metadata: null,
    inputFileId,
    createdAt: new Date(nowMs),
    expiresAt: new Date(nowMs + 86_400_000),
  }
}

/** A gateway that answers as the test says, and remembers. */
function scripted(answering: Answering) {
  const models = new Set(['mill', 'rye'])
  const requests: TestBatches['requests'] = []
  let inFlight = 0
  let inFlightMax = 0
  const gateway = {
    checkLine(door: DoorPath, raw: Buffer): ReadAtDoor {
      const fields = JSON.parse(raw.toString()) as Record<string, unknown>
      const { model } = fields
      if (!models.has(String(model))) {
        throw new GristmillError('model_not_found', { model: String(model), param: 'model' })
      }
      return { request: { door, model, raw, fields } as CanonicalRequest }
    },
    runLine(line: LineRequest) {
      const entry: TestBatches['requests'][number] = { line, fate: undefined, isHurried: false }
      requests.push(entry)
      inFlightMax = Math.max(inFlightMax, ++inFlight)
      let hasEnded = false
      const end = async (what: LineEnd) => {
        if (hasEnded) return
        hasEnded = true
        inFlight--
        entry.fate = await line.ended(what)
      }
      const answer = answering(line)
      if (answer !== 'never') void Promise.resolve(answer).then(end)
      const none = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
      const hurry = () => {
        entry.isHurried = true
      }
      return {
        isWaiting: false,
        hurry,
        cut: () => void end({ answer: null, error: null, usage: none }),
      }
    },
  }
  return { gateway, models, requests, inFlightMax: () => inFlightMax }
}

const principalsOf = (keyIds: readonly string[], principal: TestBatches['principal']) =>
  new Map(principal === undefined ? [] : keyIds.map((id) => [id, principal]))

interface TestBatchesOptions {
  clock?: Clock
  limits?: Partial<Limits>
  slots?: number
  /** Of `mill`, where it has others than `slots` says. */
  millSlots?: number
  isOurs?: () => boolean
  fence?: Fence
}

export function testBatches(
  database: Database,
  answering: Answering,
  options: TestBatchesOptions = {},
): TestBatches {
  const clock = options.clock ?? systemClock
  const logger = createLogger('silent', 'test')
  const base = {
    database,
    clock,
    random: systemRandom,
    logger,
    limits: { ...limits, ...options.limits },
  }
  const files = new FileStore({ ...base, masterKey: seededRandom(1).bytes(32) })
  const script = scripted(answering)
  const tests: TestBatches = {
    files,
    models: script.models,
    requests: script.requests,
    inFlightMax: script.inFlightMax,
    principal: creator,
    runner: new BatchRunner({
      ...base,
      files,
      gateway: script.gateway,
      principalsOf: async (keyIds) => principalsOf(keyIds, tests.principal),
      roomFor: (model) => ({
        slots: (model === 'mill' ? options.millSlots : undefined) ?? options.slots ?? 4,
        capacityUnitsPerS: null,
        cost: { input: 1, output: 2 },
      }),
      isOurs: options.isOurs ?? (() => true),
      fence: () => options.fence ?? (async () => true),
      onEnded: async () => undefined,
    }),
    limits: base.limits,
    async file(lines) {
      const content = (async function* () {
        yield Buffer.from(lines.join('\n'))
      })()
      const about = () => ({ filename: 'lines.jsonl', purpose: 'batch' as const })
      return (await files.create(creator, content, about)).id
    },
    async make(lines, changes = {}) {
      const inputFileId = await tests.file(lines)
      const plain = plainBatch(clock.nowMs(), inputFileId)
      const batch = await insertBatch(database.sql, { ...plain, ...changes })
      tests.runner.wake()
      return batch
    },
    async ended(id) {
      for (;;) {
        const batch = await findBatch(database.sql, id)
        if (batch?.endedAt) return batch
        await systemClock.sleep(10)
      }
    },
    async textOf(fileId) {
      if (fileId === null) return []
      const pieces: Buffer[] = []
      for await (const piece of files.read(creator, fileId)) pieces.push(piece)
      const content = Buffer.concat(pieces)
      return content.toString().split('\n').slice(0, -1)
    },
    close: () => tests.runner.close(),
  }
  return tests
}
