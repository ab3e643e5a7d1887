import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { Scheduler } from './scheduler.ts'
import { defaultSchedulerConfig } from './scheduler-types.ts'
import { builtInProfiles, decodeStepMs, type EngineProfile, parseProfile } from './sim-profile.ts'
import type { SimFeed, SimRequest, SimTicket } from './sim-types.ts'
import { Simulation } from './simulator.ts'

/** Reads prompts in no time and gives every stream a token a millisecond. */
const plain: EngineProfile = {
  name: 'plain',
  basis: 'made up',
  cap: 4,
  express: 0,
  readTokensPerS: 1e12,
  chunkTokens: 1e9,
  chunkTokensAlone: 1e9,
  decode: [{ streams: 1, stepMs: 1 }],
  kvTokens: 1e12,
  contextTokens: 1e9,
  prefixCache: false,
  yields: 'none',
  spare: 0,
}

const ask = (atMs: number, change: Partial<SimRequest> = {}): SimRequest => ({
  atMs,
  tenant: 'a',
  serviceClass: 'standard',
  inputTokens: 1,
  outputTokens: 10,
  prefix: [],
  ...change,
})

/** Runs requests through one engine and returns their tickets in order of arrival. */
function play(requests: SimRequest[], profile: EngineProfile, feeds: SimFeed[] = []): SimTicket[] {
  const tickets: SimTicket[] = []
  const arrived = (ticket: SimTicket) => void tickets.push(ticket)
  const engines = [{ id: 'e', profile }]
  const simulation = new Simulation({ engines, requests, feeds, observers: [{ arrived }] })
  simulation.run()
  assert.equal(simulation.open.size, 0)
  return tickets
}

/** Mean wait of M/M/c by Erlang's C formula, in units of the mean service time. */
function erlangWait(servers: number, load: number): number {
  let term = 1
  let sum = 1
  for (let k = 1; k < servers; k++) {
    term *= load / k
    sum += term
  }
  const last = (term * load) / servers / (1 - load / servers)
  return last / (sum + last) / (servers - load)
}

describe('the simulator against queueing theory', () => {
  for (const [servers, utilisation] of [
    [1, 0.5],
    [4, 0.8],
    [10, 0.9],
  ] as const) {
    it(`waits as M/M/${servers} does at a load of ${utilisation}`, (t) => {
      const seed = 11
      t.diagnostic(`seed ${seed}`)
      const meanMs = 400
      const random = seededRandom(seed)
      const drawn = (mean: number) => -mean * Math.log(1 - random.next())
      let atMs = 0
      function* requests(): Generator<SimRequest> {
        for (let i = 0; i < 150_000; i++) {
          atMs += drawn(meanMs / (servers * utilisation))
          yield ask(atMs, { outputTokens: Math.max(1, Math.round(drawn(meanMs))) })
        }
      }
      let waitMs = 0
      const dispatched = (ticket: SimTicket, nowMs: number) => {
        waitMs += nowMs - ticket.arrivedMs
      }
      new Simulation({
        engines: [{ id: 'e', profile: { ...plain, cap: servers } }],
        requests: requests(),
        scheduler: new Scheduler({ ...defaultSchedulerConfig, order: 'fcfs' }),
        observers: [{ dispatched }],
      }).run()
      const expectedMs = meanMs * erlangWait(servers, servers * utilisation)
      const ratio = waitMs / 150_000 / expectedMs
      assert.ok(ratio > 0.95 && ratio < 1.05, `mean wait is ${ratio} of what theory says`)
    })
  }
})

describe('the engine of the simulator', () => {
  const engine: EngineProfile = {
    ...plain,
    readTokensPerS: 1000,
    chunkTokens: 10,
    chunkTokensAlone: 100,
    decode: [
      { streams: 1, stepMs: 10 },
      { streams: 3, stepMs: 20 },
    ],
  }

  it('takes the time of reading and of every step', () => {
    const [ticket] = play([ask(5, { inputTokens: 250, outputTokens: 11 })], engine)
    assert.equal(ticket?.firstTokenMs, 255)
    assert.equal(ticket.lastStepMs, 355)
    assert.equal(decodeStepMs(engine, 2), 15)
    assert.equal(decodeStepMs(engine, 4), 25)
  })

  it('lets streams go on while it reads a prompt in pieces', () => {
    const [stream, prompt] = play(
      [ask(0, { outputTokens: 20 }), ask(21, { inputTokens: 30, outputTokens: 1 })],
      engine,
    )
    // Steps of 10 ms, then from 21 ms on three that read 10 tokens for 10 ms more each.
    assert.equal(prompt?.firstTokenMs, 81)
    assert.equal(stream?.lastStepMs, 1 + 19 * 10 + 3 * 10)
  })

  it('lets worse-ranked streams stand aside where it yields by step', () => {
    const requests = [
      ask(0, { serviceClass: 'batch', outputTokens: 20 }),
      ask(20, { inputTokens: 30, outputTokens: 5 }),
    ]
    const first = (yields: 'step' | 'none') => play(requests, { ...engine, yields })[1]
    assert.equal(first('step')?.firstTokenMs, 21 + 30)
    assert.ok((first('none')?.firstTokenMs ?? 0) > 21 + 30)
  })

  it('takes turns between streams of people and background prompts', () => {
    const apart = { ...engine, yields: 'step' as const, chunkTokens: 25 }
    const stream = ask(0, { outputTokens: 20 })
    const line = ask(5, { serviceClass: 'batch', inputTokens: 100, outputTokens: 1 })
    const [first, second] = play([stream, line], apart)
    // Steps of 10 ms from 1 ms on; then four times 25 of reading, each before one with a token.
    assert.equal(second?.firstTokenMs, 11 + 4 * 25 + 3 * 10)
    assert.equal(first?.lastStepMs, 1 + 19 * 10 + 4 * 25)
    const [, , newcomer] = play([stream, line, ask(73, {})], apart)
    assert.equal(newcomer?.firstTokenMs, 81 + 1, 'after the step under way')
  })

  it('reads background prompts after answers of people where these have cost little lately', () => {
    const apart = { ...engine, yields: 'step' as const }
    const batch = { serviceClass: 'batch' as const }
    const long = ask(0, { ...batch, outputTokens: 100_000 })
    const after = (answer: number, prompt: number) => {
      const person = ask(700_000, { outputTokens: answer })
      const line = ask(700_005, { ...batch, inputTokens: prompt, outputTokens: 1 })
      const [, asked, read] = play([long, person, line], apart)
      return { endMs: asked?.lastStepMs ?? 0, readMs: read?.firstTokenMs ?? 0 }
    }
    const short = after(20, 100)
    assert.equal(short.readMs, short.endMs + 100)
    // Longer answers let it have a turn of 10 tokens after each five seconds.
    const waitedMs = after(2000, 20).readMs - 700_000
    assert.ok(waitedMs > 10_000 && waitedMs < 10_100, `${waitedMs}`)
  })

  it('lets no newcomer wait for more of a background prompt than a step of the cap takes', () => {
    const apart = { ...engine, yields: 'step' as const }
    const line = ask(0, { serviceClass: 'batch', inputTokens: 1000, outputTokens: 1 })
    const [, newcomer] = play([line, ask(130, {})], apart)
    // In pieces of 25 ms, as a step of four streams takes.
    assert.equal(newcomer?.firstTokenMs, 150 + 1)
  })

  it('lets shorter prompts that come later pass a long one, but not without end', () => {
    const apart = { ...engine, yields: 'step' as const, cap: 64, chunkTokensAlone: 50 }
    const later = Array.from({ length: 99 }, (_, i) =>
      ask(5 + 60 * i, { inputTokens: 70, outputTokens: 1 }),
    )
    const [long, ...others] = play([ask(0, { inputTokens: 300, outputTokens: 1 }), ...later], apart)
    const before = others.filter(
      (one) => (one.firstTokenMs ?? 0) < (long?.firstTokenMs ?? Number.POSITIVE_INFINITY),
    )
    // More come than are read; to the prompt that is being read then.
    const passedTokens = 70 * before.length
    assert.ok(Math.abs(passedTokens - 8 * 300) <= 70, `${passedTokens}`)
  })

  it('lets background streams wait where those of people leave nearly nothing of a step', () => {
    const apart = { ...engine, yields: 'step' as const, spare: 4 }
    const line = ask(0, { serviceClass: 'batch', outputTokens: 100 })
    const people = (count: number) =>
      Array.from({ length: count }, () => ask(50, { outputTokens: 20 }))
    const last = (count: number) => play([line, ...people(count)], apart)[1]
    // Three do nine tenths of what four do, in steps of 20 ms; two have the line beside them.
    assert.equal(last(3)?.lastStepMs, 51 + 3 + 19 * 20)
    assert.equal(last(2)?.lastStepMs, 51 + 2 + 19 * 20)
  })

  it('reads what a tenant has in common once, and shares nothing between tenants', () => {
    const prefix = [{ id: 'system', tokens: 80 }]
    const one = { inputTokens: 100, outputTokens: 1, prefix }
    const cached = { ...engine, prefixCache: true }
    const tickets = play([ask(0, one), ask(500, one), ask(900, { ...one, tenant: 'b' })], cached)
    assert.deepEqual(
      tickets.map((ticket) => ticket.uncachedTokens),
      [100, 20, 100],
    )
  })

  it('gives memory to the better-ranked and computes the others again', () => {
    const small = { ...engine, kvTokens: 200 }
    const lost: number[] = []
    const simulation = new Simulation({
      engines: [{ id: 'e', profile: small }],
      requests: [1, 2, 3, 4].map((i) => ask(i, { inputTokens: 40, outputTokens: 60 })),
      observers: [{ preempted: (_, tokens) => void lost.push(tokens) }],
    })
    simulation.run()
    assert.equal(simulation.open.size, 0)
    assert.ok(lost.length > 0)
  })

  it('takes memory back from batch work where people need it, and leaves them some', () => {
    const room = { ...engine, kvTokens: 1000, yields: 'step' as const, cap: 4, spare: 4 }
    const lost: string[] = []
    const lines = [1, 2, 3].map((i) =>
      ask(i, { serviceClass: 'batch', tenant: 'night', inputTokens: 400, outputTokens: 50 }),
    )
    const person = ask(1500, { inputTokens: 500, outputTokens: 5 })
    const ended: SimTicket[] = []
    new Simulation({
      engines: [{ id: 'e', profile: room }],
      requests: [...lines, person],
      observers: [
        {
          preempted: ({ request }) => void lost.push(request.tenant),
          ended: (ticket) => void ended.push(ticket),
        },
      ],
    }).run()
    assert.deepEqual(lost, ['night'])
    assert.equal(ended.length, 4)
    const first = ended.find(({ request }) => request.tenant !== 'night')
    assert.ok((first?.firstTokenMs ?? 0) < 2500, `after ${first?.firstTokenMs} ms`)
  })

  it('keeps prefixes in memory that background prompts do not need yet', () => {
    const kept = { ...engine, yields: 'step' as const, prefixCache: true, kvTokens: 1000, cap: 4 }
    const person = {
      inputTokens: 410,
      outputTokens: 1,
      prefix: [{ id: 'system', tokens: 400 }],
    }
    const line = ask(500, { serviceClass: 'batch', inputTokens: 350, outputTokens: 1 })
    // While the first line is read; both lines and the prefix are more than there is.
    const [, , , again] = play([ask(0, person), line, line, ask(600, person)], kept)
    assert.equal(again?.uncachedTokens, 10)
  })

  it('gives up kept prefixes where running requests need the memory', () => {
    const prefix = [{ id: 'system', tokens: 90 }]
    const one = { inputTokens: 100, outputTokens: 1, prefix }
    const cached = { ...engine, prefixCache: true, kvTokens: 300 }
    const large = ask(500, { inputTokens: 290, outputTokens: 1 })
    const tickets = play([ask(0, one), large, ask(3000, one)], cached)
    assert.deepEqual(
      tickets.map(({ uncachedTokens }) => uncachedTokens),
      [100, 290, 100],
    )
  })

  it('ends an abandoned request after the step under way and frees its place', () => {
    const [gone, next] = play(
      [ask(0, { outputTokens: 1000, abortAfterMs: 95 }), ask(1, { outputTokens: 2 })],
      { ...engine, cap: 1 },
    )
    assert.ok(gone && gone.generated < 20)
    assert.ok(next?.dispatchedMs !== undefined && next.dispatchedMs < 120)
  })
})

describe('the simulation', () => {
  it('is the same for the same seed', () => {
    const decisions = () => {
      const random = seededRandom(5)
      const requests = Array.from({ length: 500 }, (_, i) =>
        ask(i * 3, {
          tenant: `t${Math.floor(random.next() * 5)}`,
          outputTokens: 1 + Math.floor(random.next() * 90),
        }),
      )
      return play(requests, plain).map(({ dispatchedMs, lastStepMs }) => [dispatchedMs, lastStepMs])
    }
    assert.deepEqual(decisions(), decisions())
  })

  it('asks feeds for more work as theirs ends', () => {
    let left = 20
    const draw = (nowMs: number) => (left-- > 0 ? [ask(nowMs)] : [])
    const tickets = play([], plain, [{ draw, ended: () => undefined }])
    assert.equal(tickets.length, 20)
  })
})

describe('profiles', () => {
  it('that are built in are valid and say where they come from', () => {
    for (const profile of builtInProfiles) assert.deepEqual(parseProfile(profile), profile)
  })

  it('are refused with the name of the field that is wrong', () => {
    const wrong = { ...builtInProfiles[0], readTokensPerS: -1 }
    assert.throws(() => parseProfile(wrong), /readTokensPerS/)
  })
})
