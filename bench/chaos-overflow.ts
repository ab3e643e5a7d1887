/**
 * Chaos `overflow`: an own engine that cannot keep up, and a rented service with a price and a
 * rate limit behind the same name. The same load with overflow off and on: what tenants wait, what
 * it costs, and who gets how much.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { UsageRow } from '../src/http/index.ts'
import { percentile } from './quantiles.ts'
import { createTenant, type Server, startServer } from './server.ts'

export interface OverflowOptions {
  seconds?: number
  log?: (line: string) => void
}

interface TenantFigures {
  name: string
  requests: number
  errors: number
  ttftP50Ms: number
  ttftP99Ms: number
  rented: number
  /** By the headers of its answers, and by the ledger. */
  toldRented: number
  spendNanos: number
  allowanceNanos: number
  /** Its part of all answers. */
  share: number
}

interface ArmFigures {
  arm: 'off' | 'on'
  tenants: TenantFigures[]
  /** Answers that the service gave whole. */
  rentedServed: number
  /** Those that the gateway let go of before their end, and got elsewhere. */
  rentedGivenUp: number
  rentedRefused: number
}

export interface OverflowResult {
  seconds: number
  price: { inputNanos: number; outputNanos: number }
  rateLimitPerS: number
  arms: ArmFigures[]
}

const RATE_LIMIT_PER_S = 10
const RENTED_TOKEN_MS = 2
/** So many that callers wait for longer than promised, on a quick machine as well. */
const OUTPUT_TOKENS = 400
const PRICE = { inputNanos: 150, outputNanos: 600 }
/** `Allowed` may overflow all day, `Little` for a few answers, `Never` not at all. */
const TENANTS = [
  { name: 'Allowed', allowance: 1_000_000_000 },
  { name: 'Little', allowance: 2_000_000 },
  { name: 'Never', allowance: 0 },
]
const CALLERS = 20

export async function chaosOverflow(options: OverflowOptions = {}): Promise<OverflowResult> {
  const { seconds = 60, log = () => undefined } = options
  const stack = new AsyncDisposableStack()
  try {
    const rented = await startRented()
    stack.defer(() => rented.close())
    const environment = { GRISTMILL_ENGINE_THREADS: '1' }
    const server = await startServer({ model: 'toy', environment, log })
    stack.defer(() => server.stop())
    await server.admin.post('/api/engines', { url: rented.url, name: 'rented', cap: 16 })
    const tenants = await Promise.all(
      TENANTS.map(async (one) => ({ ...one, ...(await createTenant(server, one.name)) })),
    )
    const arms: ArmFigures[] = []
    for (const arm of ['off', 'on'] as const) {
      log(`overflow ${arm}`)
      await server.admin.put('/api/routes', { routes: [routeOf(arm)] })
      const before = { ...rented }
      const endMs = performance.now() + seconds * 1000
      const fromIso = new Date().toISOString()
      const calls = await Promise.all(tenants.map(({ key }) => load(server, key, endMs)))
      const usage = await settledUsage(server, fromIso, calls.flat().length)
      const answered = calls.flat().filter(({ isError }) => !isError).length
      arms.push({
        arm,
        tenants: tenants.map((tenant, i) => figuresOf(tenant, calls[i] ?? [], usage, answered)),
        rentedServed: rented.served - before.served,
        rentedGivenUp: rented.givenUp - before.givenUp,
        rentedRefused: rented.refused - before.refused,
      })
      log(JSON.stringify(arms.at(-1)))
    }
    return { seconds, price: PRICE, rateLimitPerS: RATE_LIMIT_PER_S, arms }
  } finally {
    await stack.disposeAsync()
  }
}

function routeOf(arm: 'off' | 'on') {
  const allowances = Object.fromEntries(TENANTS.map(({ name, allowance }) => [name, allowance]))
  return {
    name: 'chat',
    targets: [{ model: 'toy' }, { model: 'rented-model', engine: 'rented', price: PRICE }],
    overflow: { allowances: arm === 'on' ? allowances : {} },
  }
}

interface Call {
  ttftMs: number
  isOverflow: boolean
  isError: boolean
}

/** So many callers, each with one request after another. */
async function load(server: Server, key: string, endMs: number): Promise<Call[]> {
  const calls: Call[] = []
  const caller = async () => {
    while (performance.now() < endMs) calls.push(await ask(server, key))
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return calls
}

async function ask({ url }: Server, key: string): Promise<Call> {
  const sentMs = performance.now()
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'chat',
      messages: [{ role: 'user', content: 'What does the miller count?' }],
      max_tokens: OUTPUT_TOKENS,
      ignore_eos: true,
      stream: true,
    }),
  })
  const call: Call = { ttftMs: 0, isOverflow: false, isError: !response.ok }
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true })
    if (call.ttftMs === 0 && text.includes('"content":"')) call.ttftMs = performance.now() - sentMs
  }
  call.isOverflow = response.headers.get('x-gristmill-overflow') === 'true'
  call.isError ||= !text.includes('[DONE]')
  return call
}

/** The ledger's sums, once all answers are in it. */
async function settledUsage(server: Server, from: string, count: number): Promise<UsageRow[]> {
  for (let tries = 0; ; tries++) {
    const path = `/api/usage?from=${from}&groupBy=tenant`
    const { rows } = await server.admin.get<{ rows: UsageRow[] }>(path)
    const settled = rows.reduce((sum, { requests }) => sum + requests, 0)
    if (settled >= count || tries === 50) return rows
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function figuresOf(
  { id, name, allowance }: { id: string; name: string; allowance: number },
  calls: readonly Call[],
  usage: readonly UsageRow[],
  answered: number,
): TenantFigures {
  const good = calls.filter(({ isError }) => !isError)
  const times = good.map(({ ttftMs }) => ttftMs)
  const row = usage.find(({ tenantId }) => tenantId === id)
  return {
    name,
    requests: calls.length,
    errors: calls.length - good.length,
    ttftP50Ms: percentile(times, 0.5),
    ttftP99Ms: percentile(times, 0.99),
    rented: row?.rented ?? 0,
    toldRented: calls.filter(({ isOverflow }) => isOverflow).length,
    spendNanos: row?.spendNanos ?? 0,
    allowanceNanos: allowance,
    share: good.length / answered,
  }
}

interface Rented {
  url: string
  served: number
  givenUp: number
  refused: number
  close(): Promise<void>
}

/** A service that streams as it is asked to, so many requests a second and no more. */
async function startRented(): Promise<Rented> {
  let fromMs = 0
  let taken = 0
  const server = createServer(async (incoming, response) => {
    let text = ''
    for await (const bytes of incoming) text += String(bytes)
    if (incoming.method === 'GET') {
      const isModels = incoming.url?.endsWith('/models')
      response.writeHead(isModels ? 200 : 404, { 'content-type': 'application/json' })
      response.end(isModels ? '{"object":"list","data":[{"id":"rented-model"}]}' : '{}')
      return
    }
    const nowMs = performance.now()
    if (nowMs - fromMs >= 1000) [fromMs, taken] = [nowMs, 0]
    if (++taken > RATE_LIMIT_PER_S) {
      rented.refused++
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '1' })
      response.end('{"error":{"message":"too many requests","type":"rate_limit_error"}}')
      return
    }
    const { max_tokens: tokens = OUTPUT_TOKENS } = JSON.parse(text) as { max_tokens?: number }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const event = (fields: object) => response.write(`data: ${JSON.stringify(fields)}\n\n`)
    const base = {
      id: 'rented',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'rented-model',
    }
    for (let i = 0; i < tokens && !response.destroyed; i++) {
      const last = i === tokens - 1
      event({
        ...base,
        choices: [{ index: 0, delta: { content: 'word ' }, finish_reason: last ? 'length' : null }],
      })
      await new Promise((resolve) => setTimeout(resolve, RENTED_TOKEN_MS))
    }
    if (response.destroyed) {
      rented.givenUp++
      return
    }
    rented.served++
    const usage = { prompt_tokens: 12, completion_tokens: tokens, total_tokens: 12 + tokens }
    event({ ...base, choices: [], usage })
    response.end('data: [DONE]\n\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const rented: Rented = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    served: 0,
    givenUp: 0,
    refused: 0,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  return rented
}
