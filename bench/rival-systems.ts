/** What `bench rivals` compares: engines alone, and gateways before them. */
import type { CalibrationView, EngineView } from '../src/http/index.ts'
import { sleep, type Target } from './chat-load.ts'
import {
  LITELLM_KEY,
  MODEL,
  type Program,
  startLiteLlm,
  startLlama,
  startSmg,
  startVllm,
} from './rival-programs.ts'
import { createTenant, type Server, startServer } from './server.ts'

/** A system that answers. */
export interface Serving {
  light: Target
  /** The neighbour at the same standing as the light tenant. */
  flood: Target
  /** The neighbour at background standing; null where there is none. */
  batch: Target | null
  stop(): Promise<void>
}

export interface System {
  name: string
  title: string
  engine: 'llama.cpp' | 'vLLM' | 'own'
  isOurs: boolean
  start(dir: string, log: (line: string) => void): Promise<Serving>
}

const BACKGROUND_PRIORITY = 10

/** Calls that fail are figures here, and greedy sampling makes answers comparable. */
const target = (url: string, rest: Partial<Target> = {}): Target => ({
  url,
  key: 'sk-none',
  model: MODEL,
  countsFailures: true,
  ...rest,
  fields: { temperature: 0, ...rest.fields },
})

/** Starts programs one before the other, and stops them in the opposite order. */
async function chain(starts: readonly ((before: Program) => Promise<Program>)[]): Promise<Program> {
  const running: Program[] = []
  const stop = async () => {
    for (const program of running.splice(0).toReversed()) await program.stop()
  }
  try {
    for (const start of starts) running.push(await start(running.at(-1) as Program))
  } catch (error) {
    await stop()
    throw error
  }
  return { url: running.at(-1)?.url ?? '', stop }
}

/** An engine by itself: no tenants, and a background only where requests have a priority. */
async function bare(engine: Promise<Program>, hasPriority: boolean): Promise<Serving> {
  const { url, stop } = await engine
  const batch = target(url, { fields: { priority: BACKGROUND_PRIORITY } })
  return { light: target(url), flood: target(url), batch: hasPriority ? batch : null, stop }
}

/** Keys of its own need a database there, so tenants are told apart by `user`. */
async function liteLlm(dir: string, engine: () => Promise<Program>): Promise<Serving> {
  const { url, stop } = await chain([engine, (before) => startLiteLlm(dir, before)])
  const as = (user: string, priority: number) =>
    target(url, {
      key: LITELLM_KEY,
      // Its own queue takes the first; the second goes through to an engine that has one as well.
      fields: { user, priority, extra_body: { priority } },
    })
  const batch = as('flood', BACKGROUND_PRIORITY)
  return { light: as('light', 0), flood: as('flood', 0), batch, stop }
}

async function smg(dir: string, engine: () => Promise<Program>, tuned: boolean): Promise<Serving> {
  const { url, stop } = await chain([engine, (before) => startSmg(dir, before, tuned)])
  if (!tuned) return { light: target(url), flood: target(url), batch: null, stop }
  const as = (tenant: string, priority: string, fields = {}) =>
    target(url, { key: `sk-${tenant}`, headers: { 'x-smg-priority': priority }, fields })
  const batch = as('flood', 'bulk', { priority: BACKGROUND_PRIORITY })
  return { light: as('light', 'interactive'), flood: as('flood', 'interactive'), batch, stop }
}

async function gristmill(
  log: (line: string) => void,
  model: string | null,
  engine?: Program,
): Promise<Serving> {
  const server = await startServer(
    model === null ? { engine: 'none', log } : { model, engine: 'embedded', log },
  )
  try {
    if (engine) await addCalibrated(server, engine, log)
    const [light, flood] = [
      await createTenant(server, 'light'),
      await createTenant(server, 'flood'),
    ]
    const served = { model: server.model ?? MODEL }
    const batch = target(server.url, {
      ...served,
      key: flood.key,
      fields: { service_tier: 'batch' },
    })
    return {
      light: target(server.url, { ...served, key: light.key }),
      flood: target(server.url, { ...served, key: flood.key }),
      batch,
      stop: () => server.stop(),
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Adds an engine and measures it at once; by itself that would begin within a minute. */
export async function addCalibrated(
  { admin }: Server,
  { url }: Program,
  log: (line: string) => void,
): Promise<void> {
  const { id } = await admin.post<EngineView>('/api/engines', { url, name: 'rival' })
  await admin.post(`/api/engines/${id}/calibrate`)
  for (;;) {
    const { state, failure, last } = await admin.get<CalibrationView>(
      `/api/engines/${id}/calibration`,
    )
    if (state === 'done') return log(`calibrated: knee ${last?.knee}, ${last?.tokenGapMs} ms`)
    if (state !== 'running') throw new Error(`not calibrated: ${failure}`)
    await sleep(500)
  }
}

async function before(engine: Promise<Program>, log: (line: string) => void): Promise<Serving> {
  const program = await engine
  try {
    const serving = await gristmill(log, null, program)
    const stop = async () => {
      await serving.stop()
      await program.stop()
    }
    return { ...serving, stop }
  } catch (error) {
    await program.stop()
    throw error
  }
}

const ordinary = 'vllm.yaml'
const ranked = 'vllm-priority.yaml'

export const systems: readonly System[] = [
  {
    name: 'llama',
    title: 'llama.cpp',
    engine: 'llama.cpp',
    isOurs: false,
    start: (dir) => bare(startLlama(dir), false),
  },
  {
    name: 'litellm-llama',
    title: 'LiteLLM before llama.cpp',
    engine: 'llama.cpp',
    isOurs: false,
    start: (dir) => liteLlm(dir, () => startLlama(dir)),
  },
  {
    name: 'smg-llama',
    title: 'SMG before llama.cpp',
    engine: 'llama.cpp',
    isOurs: false,
    start: (dir) => smg(dir, () => startLlama(dir), false),
  },
  {
    name: 'smg-priority-llama',
    title: 'SMG, tuned, before llama.cpp',
    engine: 'llama.cpp',
    isOurs: false,
    start: (dir) => smg(dir, () => startLlama(dir), true),
  },
  {
    name: 'gristmill-llama',
    title: 'Gristmill before llama.cpp',
    engine: 'llama.cpp',
    isOurs: true,
    start: (dir, log) => before(startLlama(dir), log),
  },
  {
    name: 'gristmill-llama-slots',
    title: 'Gristmill before llama.cpp, tuned',
    engine: 'llama.cpp',
    isOurs: true,
    start: (dir, log) => before(startLlama(dir, ['--cache-ram', '0']), log),
  },
  {
    name: 'gristmill',
    title: 'Gristmill, own engine',
    engine: 'own',
    isOurs: true,
    start: (dir, log) => gristmill(log, `${dir}/smollm2.gguf`),
  },
  {
    name: 'vllm',
    title: 'vLLM',
    engine: 'vLLM',
    isOurs: false,
    start: (dir) => bare(startVllm(dir, ordinary), false),
  },
  {
    name: 'vllm-priority',
    title: 'vLLM, tuned',
    engine: 'vLLM',
    isOurs: false,
    start: (dir) => bare(startVllm(dir, ranked), true),
  },
  {
    name: 'litellm-vllm',
    title: 'LiteLLM before vLLM, tuned',
    engine: 'vLLM',
    isOurs: false,
    start: (dir) => liteLlm(dir, () => startVllm(dir, ranked)),
  },
  {
    name: 'smg-priority-vllm',
    title: 'SMG, tuned, before vLLM, tuned',
    engine: 'vLLM',
    isOurs: false,
    start: (dir) => smg(dir, () => startVllm(dir, ranked), true),
  },
  {
    name: 'gristmill-vllm',
    title: 'Gristmill before vLLM, tuned',
    engine: 'vLLM',
    isOurs: true,
    start: (dir, log) => before(startVllm(dir, ranked), log),
  },
]
