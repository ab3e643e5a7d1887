/**
 * Chaos `rolling`: three gateways at one database are restarted one after another, as an upgrade
 * does it, while clients stream through a balancer that asks `/readyz`. Nothing may be lost, and no
 * stream that has begun may break off.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../src/base/index.ts'
import { openTestDatabase } from '../src/store/index.ts'
import { checkOutBase } from './base-worktree.ts'
import { startCountedEngine } from './counted-engine.ts'
import { percentile } from './quantiles.ts'
import type { Replica } from './replica.ts'
import { waitFor } from './replica.ts'
import { startReplicas } from './replicas.ts'
import { type BalancedCall, BalancedLoad } from './rolling-load.ts'
import { createTenant } from './server.ts'

export interface RollingOptions {
  /** Restarts; each gateway in turn. */
  rounds?: number
  /** Commit that all of them run until they are restarted, which makes it an upgrade. */
  base?: string | undefined
  seed?: number
  log?: (line: string) => void
}

export interface RollingResult {
  rounds: number
  baseCommit?: string
  requests: number
  /** Requests that no gateway answered, or answered with an error. */
  lost: number
  /** Streams that ended without their end. */
  broken: number
  /** Requests that the balancer sent to another gateway, because the first was going. */
  resent: number
  /** From SIGTERM until the process has left. */
  drainMs: number[]
  ttftP99Ms: number
  errors: string[]
  seed: number
}

const MODEL = 'counted'
const ENGINE = { cap: 8, express: 1, model: MODEL, contextTokens: 512, tokenMs: 30 }
const SETTLE_MS = 1500

export async function chaosRolling(options: RollingOptions = {}): Promise<RollingResult> {
  const { rounds = 3, seed = 1, base, log = () => undefined } = options
  const random = seededRandom(seed)
  const stack = new AsyncDisposableStack()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'gristmill-rolling-'))
    stack.defer(() => rmSync(folder, { recursive: true, force: true }))
    const database = await openTestDatabase()
    stack.defer(() => database.close())
    const engine = await startCountedEngine(ENGINE)
    stack.defer(() => engine.close())
    const tree = base === undefined ? undefined : checkOutBase(base)
    if (tree) {
      stack.defer(tree.remove)
      // With the schema of then, which its gateways make.
      await database.sql.unsafe('drop schema public cascade; create schema public')
    }
    const replicas = await startReplicas(folder, database, random, log, stack, tree?.path)
    const [first] = replicas as [Replica, ...Replica[]]
    const { key } = await createTenant(first.server, 'a', 1)
    await first.server.admin.post('/api/engines', { url: engine.url, name: 'engine' })
    const load = new BalancedLoad(replicas, key, MODEL, random)
    await waitFor('all gateways know the engine', 15_000, () => load.isServedEverywhere())
    load.start()
    const drainMs: number[] = []
    for (let round = 0; round < rounds; round++) {
      await sleep(SETTLE_MS)
      const replica = replicas[round % replicas.length] as Replica
      drainMs.push(Math.round(await replica.restart()))
      await waitFor(`${replica.name} is ready`, 30_000, () => replica.isReady())
      log(`round ${round + 1} of ${rounds}: ${replica.name} left after ${drainMs.at(-1)} ms`)
    }
    await sleep(SETTLE_MS)
    const from = tree && { baseCommit: tree.commit }
    return { rounds, ...from, ...verdictOf(await load.stop()), drainMs, seed }
  } finally {
    await stack.disposeAsync()
  }
}

function verdictOf(calls: readonly BalancedCall[]) {
  const ended = (how: BalancedCall['end']) => calls.filter(({ end }) => end === how)
  const [lost, broken] = [ended('lost'), ended('broken')]
  const ttfts = calls.flatMap(({ ttftMs }) => ttftMs ?? [])
  return {
    requests: calls.length,
    lost: lost.length,
    broken: broken.length,
    resent: calls.reduce((sum, { resent }) => sum + resent, 0),
    ttftP99Ms: Math.round(percentile(ttfts, 0.99)),
    errors: [...lost, ...broken].slice(0, 10).map(({ error }) => error ?? ''),
  }
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
