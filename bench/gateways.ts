/**
 * `bench gateways`: what it costs that several gateways share one scheduler. A light tenant beside
 * a flood, through the gateway that schedules alone and through three in turn, before one engine;
 * requests per second, and CPU for each, through one, two and three before a mock engine; and how
 * soon changes hold at the other gateways.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../src/base/index.ts'
import { openTestDatabase } from '../src/store/index.ts'
import { allKnow, type ChangeTimes, measureChanges } from './gateway-changes.ts'
import { cpuUs, startProgram } from './harness.ts'
import { type Arm, playArm, type Tenants, ttfts } from './isolation.ts'
import { closedLoop } from './load.ts'
import { chatTarget } from './overhead-arms.ts'
import { median, percentile, ratioInterval } from './quantiles.ts'
import type { Replica } from './replica.ts'
import { holderOf, startReplicas } from './replicas.ts'
import { createTenant } from './server.ts'
import { alternate } from './statistics.ts'

export interface GatewaysOptions {
  /** Path of a GGUF file or a model's name, for the light tenant and the flood. */
  model?: string | undefined
  /** Turns of each arm. */
  pairs?: number
  /** Length of each arm, with the flood and without; 62 s hold 21 requests of the light one. */
  seconds?: number
  /** Requests of each turn in front of the mock engine. */
  requests?: number
  seed?: number
  log?: (line: string) => void
}

/** Times to first token of the light tenant. */
interface Isolation {
  aloneP99Ms: number
  fairP99Ms: number
  fairOverAlone: number
  n: number
}

export interface GatewaysResult {
  one: Isolation
  three: Isolation
  /** `fairOverAlone` of three gateways ÷ that of one. */
  threeOverOne: number
  /** p99 beside the flood, three ÷ one, with its 95 % interval. */
  fairThreeOverOne: number
  fairThreeOverOneLow: number
  fairThreeOverOneHigh: number
  /** Through one, two and three gateways, 16 connections to each. */
  requestsPerS: number[]
  /** Of all gateways together. */
  cpuUsPerRequest: number[]
  /** The longest that a change took to hold at all gateways. */
  changeMsMost: Record<keyof ChangeTimes, number>
  pairs: number
  seed: number
}

const CONNECTIONS = 16
const CHANGES = 20
const PROGRAM = fileURLToPath(new URL('../src/cli/program.ts', import.meta.url))

export async function benchGateways(options: GatewaysOptions = {}): Promise<GatewaysResult> {
  const { model = 'smollm2-135m-instruct', pairs = 5, requests = 4000, seed = 1 } = options
  const { seconds = 62 } = options
  const log = options.log ?? (() => undefined)
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-gateways-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const engine = await startEngine(model, folder, stack)
  log(`an engine of ${engine.model}, cap ${engine.cap}`)
  const mock = await startProgram<{ url: string }>('mock-engine.ts')
  stack.defer(mock.stop)
  const database = await openTestDatabase()
  stack.defer(() => database.close())
  const replicas = await startReplicas(folder, database, seededRandom(seed), log, stack)
  const holder = await holderOf(replicas, database)
  const { admin } = holder.server
  await admin.post('/api/engines', { url: engine.url, name: 'engine' })
  await admin.post('/api/engines', { url: mock.ready.url, name: 'mock' })
  const [light, flood] = [
    await createTenant(holder.server, 'light'),
    await createTenant(holder.server, 'flood'),
  ]
  await allKnow(replicas, flood.key, ['mock', engine.model])
  const order = [holder, ...replicas.filter((one) => one !== holder)]
  const changes = await measureChanges(order, 'mock', CHANGES)
  log(`changes: ${JSON.stringify(changes)}`)
  const rate = await measureRate(order, flood.key, { pairs, requests }, log)
  const tenantsAt = (urls: string[]) => ({
    light: { ...inTurn(urls), key: light.key, model: engine.model },
    flood: { ...inTurn(urls), key: flood.key, model: engine.model },
  })
  const urls = order.map(({ server }) => server.url)
  const isolation = await measureIsolation(
    { one: tenantsAt(urls.slice(0, 1)), three: tenantsAt(urls) },
    { pairs, seed, ms: seconds * 1000 },
    log,
  )
  return { ...isolation, ...rate, changeMsMost: mostOf(changes), pairs, seed }
}

const mostOf = ({ keyRevokedMs, tenantModelsMs, routeMs }: ChangeTimes) => ({
  keyRevokedMs: Math.max(...keyRevokedMs),
  tenantModelsMs: Math.max(...tenantModelsMs),
  routeMs: Math.max(...routeMs),
})

/** A target whose requests go to one address after another. */
function inTurn(urls: readonly string[]): { readonly url: string } {
  let next = 0
  return {
    get url() {
      return urls[next++ % urls.length] ?? ''
    },
  }
}

async function measureIsolation(
  through: { one: Tenants; three: Tenants },
  { pairs, seed, ms }: { pairs: number; seed: number; ms: number },
  log: (line: string) => void,
) {
  let turn = 0
  const play = (tenants: Tenants) => async () => {
    const { light, flood } = tenants
    const own = seed * 1000 + turn++
    const arms = {
      alone: await playArm(ms, own, { light }),
      fair: await playArm(ms, own, { light, flood }),
    }
    const p99 = (arm: Arm) => `${percentile(ttfts([arm]), 0.99).toFixed(0)} ms`
    log(`turn ${turn} of ${2 * pairs}: p99 alone ${p99(arms.alone)}, beside ${p99(arms.fair)}`)
    return arms
  }
  const { one = [], three = [] } = await alternate(
    { one: play(through.one), three: play(through.three) },
    pairs,
  )
  const figures = (turns: { alone: Arm; fair: Arm }[]): Isolation => {
    const alone = ttfts(turns.map((arms) => arms.alone))
    const fair = ttfts(turns.map((arms) => arms.fair))
    const [aloneP99Ms, fairP99Ms] = [percentile(alone, 0.99), percentile(fair, 0.99)]
    return { aloneP99Ms, fairP99Ms, fairOverAlone: fairP99Ms / aloneP99Ms, n: fair.length }
  }
  const fair = (turns: { fair: Arm }[]) => ttfts(turns.map((arms) => arms.fair))
  const { low, high } = ratioInterval(fair(three), fair(one), 0.99, seededRandom(seed))
  const [ofOne, ofThree] = [figures(one), figures(three)]
  return {
    one: ofOne,
    three: ofThree,
    threeOverOne: ofThree.fairOverAlone / ofOne.fairOverAlone,
    fairThreeOverOne: ofThree.fairP99Ms / ofOne.fairP99Ms,
    fairThreeOverOneLow: low,
    fairThreeOverOneHigh: high,
  }
}

/** Closed loops through the first gateway, the first two and all three, in turns. */
async function measureRate(
  replicas: readonly Replica[],
  key: string,
  { pairs, requests }: { pairs: number; requests: number },
  log: (line: string) => void,
) {
  const all = replicas.map(({ server }) => server)
  const cpu = () => all.reduce((sum, { pid }) => sum + cpuUs(pid), 0)
  const through = (count: number) => async () => {
    const [startMs, startUs] = [performance.now(), cpu()]
    const each = { connections: CONNECTIONS, count: Math.ceil(requests / count) }
    const targets = all.slice(0, count).map(({ url }) => chatTarget(url, () => key))
    await Promise.all(targets.map((target) => closedLoop(target, each)))
    const sent = each.count * count
    const perS = (1000 * sent) / (performance.now() - startMs)
    const us = (cpu() - startUs) / sent
    log(`${count} gateways: ${perS.toFixed(0)} requests a second, ${us.toFixed(0)} µs each`)
    return { perS, us }
  }
  for (const count of [1, 2, 3]) await through(count)()
  const turns = await alternate({ 1: through(1), 2: through(2), 3: through(3) }, pairs)
  const medians = (of: (turn: { perS: number; us: number }) => number) =>
    Object.values(turns).map((each) => median(each.map(of)))
  return {
    requestsPerS: medians(({ perS }) => perS),
    cpuUsPerRequest: medians(({ us }) => us),
  }
}

interface EngineReady {
  url: string
  model: string
  cap: number
}

/** The engine program by itself, calibrated. */
async function startEngine(
  model: string,
  folder: string,
  stack: AsyncDisposableStack,
): Promise<EngineReady> {
  const words = ['engine', '--model', model, '--cache', join(folder, 'calibrations')]
  const child = spawn(process.execPath, [PROGRAM, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  stack.defer(() => end(child))
  const lines = createInterface({ input: child.stdout })
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line) as EngineReady))
    child.once('exit', (code) => reject(new Error(`the engine ended with ${code}`)))
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}
