import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { Scheduler } from './scheduler.ts'
import { defaultSchedulerConfig } from './scheduler-types.ts'
import { SimReserve } from './sim-control.ts'
import { type EngineProfile, parseProfile } from './sim-profile.ts'
import type { SimFeed, SimRequest, SimTicket } from './sim-types.ts'
import { Simulation } from './simulator.ts'

const CAP = 16
/** Nothing that has begun stands aside here, as in vLLM. */
const profile: EngineProfile = parseProfile({
  name: 'stubborn',
  basis: 'made up',
  cap: CAP,
  express: 2,
  readTokensPerS: 500,
  chunkTokens: 512,
  chunkTokensAlone: 512,
  decode: [
    { streams: 1, stepMs: 25 },
    { streams: 16, stepMs: 60 },
  ],
  kvTokens: 1e6,
  contextTokens: 2048,
  prefixCache: false,
  yields: 'none',
  spare: 0,
})
const LENGTHS = { inputTokens: 17, outputTokens: 24, prefix: [] }
const WARM_MS = 120_000
const END_MS = 720_000

/** Bursts of one to four of two people, with some seconds between them. */
function bursts(seed: number): SimRequest[] {
  const random = seededRandom(seed)
  const requests: SimRequest[] = []
  for (let atMs = 0; atMs < END_MS; atMs += -1500 * Math.log(1 - random.next())) {
    const tenant = random.next() < 0.5 ? 'a' : 'b'
    const size = 1 + Math.floor(random.next() * 4)
    for (let i = 0; i < size; i++) {
      requests.push({ ...LENGTHS, atMs: atMs + 25 * i, tenant, serviceClass: 'standard' })
    }
  }
  return requests.sort((a, b) => a.atMs - b.atMs)
}

/** Always more batch lines than places, once it has begun. */
class Backlog implements SimFeed {
  open = 0

  draw(nowMs: number): SimRequest[] {
    if (nowMs < WARM_MS) return []
    const lines = 2 * CAP - this.open
    this.open += lines
    const line = { ...LENGTHS, atMs: nowMs, tenant: 'c', serviceClass: 'batch' as const }
    return Array.from({ length: lines }, () => line)
  }

  ended(): void {
    this.open--
  }
}

function play(requests: SimRequest[], feeds: SimFeed[]) {
  const scheduler = new Scheduler(defaultSchedulerConfig)
  const reserve = new SimReserve(scheduler, { profile, engines: 1, promiseMs: 1000 })
  const people: SimTicket[] = []
  let lines = 0
  new Simulation({
    engines: [{ id: 'e', profile }],
    requests,
    feeds,
    scheduler,
    observers: [
      reserve,
      {
        ended: (ticket) => {
          if (ticket.request.serviceClass === 'batch') lines++
          else if (ticket.arrivedMs >= WARM_MS) people.push(ticket)
        },
      },
    ],
    control: (nowMs, simulation) => reserve.update(nowMs, simulation),
    untilMs: END_MS,
  }).run()
  const waited = people.filter(({ dispatchedMs = END_MS, arrivedMs }) => dispatchedMs > arrivedMs)
  return { waitShare: waited.length / people.length, lines }
}

test('where nothing stands aside people hardly ever wait for a place that batch work has', (t) => {
  for (const seed of [1, 2, 3]) {
    const requests = bursts(seed)
    const off = play(requests, [])
    const on = play(requests, [new Backlog()])
    t.diagnostic(JSON.stringify({ seed, off, on }))
    assert.ok(on.waitShare <= off.waitShare + 0.02, `${on.waitShare} waited`)
    assert.ok(on.lines > 1000, 'batch work has the places that people never need')
  }
})
