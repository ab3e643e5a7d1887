/**
 * The course of the demo: tenants and keys, one half first come, first served, the backlog thrown
 * away, one half fair. Always leaves the pool fair and its keys revoked.
 */
import { type Clock, GristmillError, type Logger } from '../base/index.ts'
import type { Tenancy, Tenant } from '../tenancy/index.ts'
import { type DemoView, type Half, rowsOf, type Track } from './measurements.ts'
import { type Client, chat, flood, light, newDispatcher } from './traffic.ts'

export interface DemoOptions {
  tenancy: Pick<Tenancy, 'tenants' | 'keys'>
  pool: { setOrder(order: Half): void }
  /** Address of this server; known once it listens. */
  url: () => string
  /** Model to ask for; undefined where no engine serves one. */
  model: () => string | undefined
  clock: Clock
  logger: Logger
}

export interface Demo {
  /** null where none has run since the start. */
  view(): DemoView | null
  /**
   * Resolves when the traffic has begun.
   * @param halfS length of each half, seconds
   * @throws GristmillError `conflict` while one runs, `no_healthy_engine`
   */
  start(halfS?: number): Promise<DemoView>
  /** Resolves when nothing of it is left. */
  cancel(): Promise<DemoView | null>
}

const HALF_S = 60
/** Between the halves what was cancelled leaves engines and queue. */
const SETTLE_MS = 2000
const SYSTEM = { name: 'system', from: 'local' }

const PARTS = [
  { name: 'Demo flood', weight: 1, traffic: flood },
  { name: 'Demo chat', weight: 1, traffic: chat },
  { name: 'Demo light', weight: 2, traffic: light },
] as const

interface Run {
  state: DemoView['state']
  half: Half
  halfEndsMs: number
  tracks: Track[]
  endedMs: Map<Half, number>
  cancelled: AbortController
  done: Promise<void>
}

interface Key {
  tenant: string
  id: string
  secret: string
}

/** @param options the rooms it acts on */
export function createDemo(options: DemoOptions): Demo {
  const { clock, logger } = options
  let run: Run | undefined
  let isStarting = false
  const view = () => (run === undefined ? null : viewOf(run, clock.monotonicMs()))
  return {
    view,
    async start(halfS = HALF_S) {
      if (isStarting || run?.state === 'running') {
        throw new GristmillError('conflict', { reason: 'The demo runs already' })
      }
      isStarting = true
      try {
        const model = options.model()
        if (model === undefined)
          throw new GristmillError('no_healthy_engine', { model: 'any model' })
        const keys = await makeKeys(options)
        const started = newRun(clock.monotonicMs() + halfS * 1000)
        run = started
        started.done = course(options, started, keys, model, halfS * 1000).catch((error: Error) => {
          started.state = 'cancelled'
          logger.error({ error: error.message }, 'the demo failed')
        })
        return viewOf(started, clock.monotonicMs())
      } finally {
        isStarting = false
      }
    },
    async cancel() {
      run?.cancelled.abort()
      await run?.done
      return view()
    },
  }
}

function newRun(halfEndsMs: number): Run {
  return {
    state: 'running',
    half: 'fcfs',
    halfEndsMs,
    tracks: [],
    endedMs: new Map(),
    cancelled: new AbortController(),
    done: Promise.resolve(),
  }
}

function viewOf({ state, half, halfEndsMs, tracks, endedMs }: Run, nowMs: number): DemoView {
  const secondsLeft = state === 'running' ? Math.max(0, (halfEndsMs - nowMs) / 1000) : 0
  return { state, half, secondsLeft, rows: rowsOf(tracks, nowMs, endedMs) }
}

async function course(
  options: DemoOptions,
  run: Run,
  keys: Key[],
  model: string,
  halfMs: number,
): Promise<void> {
  const { clock, pool, tenancy } = options
  const { signal } = run.cancelled
  try {
    for (const half of ['fcfs', 'fair'] as const) {
      if (half === 'fair') await sleep(clock, SETTLE_MS, signal)
      if (signal.aborted) break
      pool.setOrder(half)
      run.half = half
      run.halfEndsMs = clock.monotonicMs() + halfMs
      await playHalf(options, run, keys, model, halfMs)
    }
  } finally {
    pool.setOrder('fair')
    for (const { id } of keys) await tenancy.keys.revoke(id, SYSTEM)
    run.state = signal.aborted ? 'cancelled' : 'done'
  }
}

async function playHalf(
  { clock, url }: DemoOptions,
  run: Run,
  keys: Key[],
  model: string,
  halfMs: number,
): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, run.cancelled.signal])
  const dispatcher = newDispatcher()
  const { half } = run
  const running = PARTS.map(({ name, traffic }) => {
    const samples: Track['samples'] = []
    run.tracks.push({ tenant: name, half, samples })
    const key = keys.find(({ tenant }) => tenant === name)?.secret ?? ''
    const client: Client = { url: url(), key, model, clock, signal, dispatcher }
    return traffic(client, samples)
  })
  // Whichever comes first: the end of the half, a cancel, or traffic that cannot go on.
  const failed = Promise.all(running).then(() => undefined)
  try {
    await Promise.race([sleep(clock, halfMs, signal), failed])
  } finally {
    run.endedMs.set(half, clock.monotonicMs())
    over.abort()
    await Promise.allSettled(running)
    await dispatcher.destroy()
  }
}

/** A key of each of the three tenants, which are made where they do not exist yet. */
async function makeKeys({ tenancy }: DemoOptions): Promise<Key[]> {
  const known = new Map<string, Tenant>()
  let cursor: string | undefined
  do {
    const page = await tenancy.tenants.list({ limit: 200, ...(cursor && { cursor }) })
    for (const tenant of page.rows) known.set(tenant.name, tenant)
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
  const keys: Key[] = []
  for (const { name, weight } of PARTS) {
    const tenant = known.get(name) ?? (await tenancy.tenants.create({ name, weight }, SYSTEM))
    const { key, secret } = await tenancy.keys.create(tenant.id, { name: 'demo' }, SYSTEM)
    keys.push({ tenant: name, id: key.id, secret })
  }
  return keys
}

async function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await clock.sleep(ms, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
