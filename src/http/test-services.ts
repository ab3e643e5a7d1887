/** Small stand-ins for the rooms behind the HTTP room; for its tests and never used otherwise. */
import { GristmillError } from '../base/index.ts'
import type { QueueEntry } from '../pool/index.ts'
import type { DemoView, EngineView, FloorView, PlanView } from './contract.ts'
import { sendJson } from './responses.ts'
import type { HttpServices } from './services.ts'

export type StandIns = Pick<
  HttpServices,
  | 'gateway'
  | 'queue'
  | 'engines'
  | 'routes'
  | 'prices'
  | 'budgets'
  | 'credits'
  | 'alerts'
  | 'batches'
  | 'webhooks'
  | 'traces'
  | 'batchDoor'
  | 'fileDoor'
  | 'responseDoor'
  | 'demo'
  | 'plans'
  | 'ledger'
  | 'floor'
  | 'readiness'
  | 'cluster'
>

/** A fresh set; `changes` replaces single services. */
export function standIns(changes: Partial<StandIns> = {}): StandIns {
  return {
    gateway: echo,
    ledger: { book: async () => false, flush: async () => undefined },
    batchDoor: echo,
    fileDoor: echo,
    responseDoor: echo,
    queue: { entries: () => [], waiting: () => 0 },
    engines: engines(),
    routes: routes(),
    budgets: budgets(),
    credits: {
      book: ({ tenantId: id }) => {
        throw new GristmillError('not_found', { kind: 'tenant', id })
      },
    },
    alerts: {
      outlook: async () => ({ kind: 'none' }),
      settings: async () => ({ percents: [], onForecast: false, emails: [] }),
      set: async (_budget, settings) => settings,
      list: async () => [],
    },
    prices: { currency: 'USD', prices: [], add: async () => [] },
    batches: batches(),
    webhooks: webhooks(),
    traces: traces(),
    demo: demo(),
    plans: plans(),
    floor: () => floor(),
    readiness: () => ({ ready: true, reasons: [] }),
    cluster: { view: async () => alone },
    ...changes,
  }
}

const alone = {
  isShared: false,
  answeredBy: null,
  gateways: [],
  lease: null,
  heldPlaces: null,
  takeovers: [],
}

/** Answers with who asked for what. */
const echo: StandIns['gateway'] = {
  handle: async (request, response, principal, requestId) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const { tenantName, keyId } = principal
    const echo = { tenantName, keyId, path: request.url, body: text }
    sendJson(response, 200, echo, { 'x-gristmill-request-id': requestId })
  },
}

export const engine: EngineView = {
  id: 'eng_1',
  name: 'embedded',
  url: 'http://127.0.0.1:4500',
  kind: 'gristmill',
  service: null,
  version: '0.1.0',
  summary: 'Gristmill 0.1.0, toy, 512 context',
  embedded: true,
  replicaOf: null,
  state: 'up',
  stateReason: 'Healthy.',
  sinceAt: '2026-01-01T00:00:00.000Z',
  models: [{ name: 'toy', contextTokens: 512, toy: true, embedsOnly: false }],
  cap: 4,
  express: 1,
  inFlight: 0,
  capacityUnitsPerS: 100,
  calibratedAt: null,
  capReason: 'Calibrated.',
  quotaPlaces: null,
  reserve: 0,
  reserveReason: 'The engine yields.',
  lastChange: 'Calibrated.',
  takesPriority: true,
  takesCacheSalt: true,
  promptSlots: null,
  sharedCache: false,
  tellsLoad: true,
  advice: null,
  errorsLastHour: 0,
  restarts: 0,
}

const uncalibrated = {
  engineId: '',
  failure: null,
  progress: 1,
  state: 'none',
  last: null,
} as const

function engines(): StandIns['engines'] {
  const known = new Map([[engine.id, engine]])
  const one = (id: string) => {
    const found = known.get(id)
    if (!found) throw new GristmillError('not_found', { kind: 'engine', id })
    return found
  }
  return {
    list: () => [...known.values()],
    add: async ({ url = '', name = url }) => {
      const added = { ...engine, id: `eng_${known.size + 1}`, url, name, embedded: false }
      known.set(added.id, added)
      return added
    },
    detect: async () => ({ ...engine }),
    remove: async (id) => {
      known.delete(one(id).id)
    },
    drain: async (id) => ({ ...one(id), state: 'draining' }),
    resume: async (id) => one(id),
    calibrate: (id) => ({ ...uncalibrated, engineId: one(id).id, state: 'running' }),
    calibration: (id) => ({ ...uncalibrated, engineId: one(id).id }),
    history: async (id) => ({
      engineId: one(id).id,
      fromAt: engine.sinceAt,
      stepS: 900,
      stepCount: 96,
      steps: [],
      changes: [{ at: engine.sinceAt, state: 'up', reason: 'It answers.' }],
      errors: [{ spanS: 300, attempts: 0, failed: 0, causes: [] }],
    }),
    profile: (id) => {
      throw new GristmillError('conflict', { reason: `engine ${one(id).id} was never calibrated` })
    },
    models: () => [
      { name: 'toy', engines: [engine.id], contextTokens: 512, toy: true, embedsOnly: false },
    ],
    keys: (id) => {
      one(id)
      return []
    },
    setKey: async (id) => {
      one(id)
      return [{ id: 'ekey_1', fingerprint: '01234567', createdAt: engine.sinceAt, rest: null }]
    },
    rotateSecretKey: async () => {},
    removeKey: async (id) => {
      throw new GristmillError('not_found', { kind: 'key', id })
    },
  }
}

/** Keeps what was applied, unread. */
function routes(): StandIns['routes'] {
  const none = { version: 0, at: null, actor: '', note: '', routes: [], guards: [], warnings: [] }
  const missing = (kind: string, id: string) => {
    throw new GristmillError('not_found', { kind, id })
  }
  return {
    current: () => none,
    versions: async () => ({ rows: [], next: null }),
    version: async (version) => missing('version of the routes', String(version)),
    apply: async () => ({ ...none, version: 1, at: '2026-01-01T00:00:00.000Z' }),
    draft: () => ({ version: 0, problems: [], warnings: [], changes: [], unexamined: [] }),
    rollback: async (_, to = 0) => missing('version of the routes', String(to)),
    explain: async ({ model }) => missing('route or model', model),
  }
}

function budgets(): StandIns['budgets'] {
  const missing = (id: string): never => {
    throw new GristmillError('not_found', { kind: 'budget', id })
  }
  return {
    standings: async () => [],
    list: async () => [],
    get: missing,
    create: async ({ name }) => missing(name),
    change: async (id) => missing(id),
    end: async (id) => missing(id),
  }
}
function batches(): StandIns['batches'] {
  const none = (id: string) => {
    throw new GristmillError('not_found', { kind: 'batch', id })
  }
  return {
    list: async () => ({ rows: [], next: null }),
    get: async (id) => none(id),
    cancel: async (id) => none(id),
  }
}

function webhooks(): StandIns['webhooks'] {
  return {
    get: async (id) => {
      throw new GristmillError('not_found', { kind: 'webhook of tenant', id })
    },
    set: async () => ({ secret: 'whsec_test' }),
    remove: async () => {},
  }
}

function traces(): StandIns['traces'] {
  return {
    get: async (id) => {
      throw new GristmillError('not_found', { kind: 'destination of traces of tenant', id })
    },
    set: async () => {},
    remove: async () => {},
  }
}

function demo(): StandIns['demo'] {
  let view: DemoView | null = null
  return {
    view: () => view,
    start: async () => {
      if (view?.state === 'running') {
        throw new GristmillError('conflict', { reason: 'The demo runs already' })
      }
      view = { state: 'running', half: 'fcfs', secondsLeft: 120, rows: [] }
      return view
    },
    cancel: async () => {
      if (view) view = { ...view, state: 'cancelled' }
      return view
    },
  }
}

/** Works nothing out: what was begun runs until it is cancelled. */
function plans(): StandIns['plans'] {
  const begun = new Map<string, PlanView>()
  const of = (person: string) => begun.get(person) ?? null
  return {
    view: of,
    dedicated: async (_, { draws, tenantIds }) => {
      const needed = { engines: 3, low: 2, high: 4 }
      const tenants = (tenantIds ?? ['ten_x']).map((tenant) => ({ tenant, requests: 1, ...needed }))
      return { ...needed, tenants, draws, cannot: null }
    },
    start: async (person, { source, ...input }) => {
      if (of(person)?.state === 'running') throw new GristmillError('plan_running')
      const name = source.kind === 'trace' ? source.name : null
      const hours = source.kind === 'ledger' ? source.hours : null
      const view: PlanView = {
        id: 'plan_1',
        state: 'running',
        step: 'what one engine can do',
        progress: 0,
        startedAt: '2026-01-01T00:00:00.000Z',
        endedAt: null,
        failure: null,
        input: { ...input, source: source.kind, name, hours },
        report: null,
        answers: [],
      }
      begun.set(person, view)
      return view
    },
    ask: (person) => {
      throw new GristmillError('not_found', { kind: 'plan of', id: person })
    },
    cancel: (person) => {
      const found = of(person)
      if (found) begun.set(person, { ...found, state: 'cancelled' })
      return of(person)
    },
  }
}

export function queueEntry(changes: Partial<QueueEntry>): QueueEntry {
  return {
    requestId: 'req_1',
    tenantId: 'ten_1',
    projectId: 'prj_1',
    keyId: 'key_1',
    model: 'toy',
    serviceClass: 'standard',
    band: 'interactive',
    waitedMs: 10,
    aheadOwn: 0,
    aheadOthers: 0,
    reason: 'engine_full',
    why: 'All slots are taken.',
    expectedWaitMs: null,
    basis: 'no measurement yet',
    ...changes,
  }
}

export type FloorTenant = FloorView['tenants'][number]

export function floorTenant(changes: Partial<FloorTenant>): FloorTenant {
  return {
    id: 'ten_1',
    name: 'Support',
    hue: 0,
    weight: 1,
    inFlight: 1,
    waiting: 2,
    serviceUnits: 10,
    entitledUnits: 8,
    borrowedUnits: 2,
    ttftP50Ms: 40,
    ttftP99Ms: 90,
    ttftSamples: 5,
    ttftPromiseMs: 1000,
    tokensPerS: 11,
    ...changes,
  }
}

export function floor(changes: Partial<FloorView> = {}): FloorView {
  return {
    atMs: 0,
    engines: [],
    tenants: [],
    waitingByClass: { priority: 0, standard: 0, flex: 0, batch: 0 },
    queue: [],
    oldestWaitMs: null,
    tokens: { outPerS: 0, inPerS: 0, cachedShare: null },
    utilisation: {
      voidReason: null,
      value: null,
      spanS: 300,
      capacityUnitsPerS: null,
      goodputUnitsPerS: 0,
      slotOccupancy: 0,
      wasteShare: 0,
    },
    ttft: { p50Ms: null, p99Ms: null, samples: 0, spanS: 300 },
    history: { stepS: 5, endAtMs: 0, interactive: [], flex: [], batch: [], waste: [] },
    toyModel: true,
    demo: null,
    ...changes,
  }
}
