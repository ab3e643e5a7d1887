/**
 * The rounds of chaos `books` that are a whole gateway: calls of the real SDK, kill -9 on the way,
 * a new start on the same home, the proof of its ledger, the comparison with what its clients saw.
 */
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../src/base/index.ts'
import type { RequestView, VerifiedPartView } from '../src/http/index.ts'
import type { WholeRound } from './chaos-books.ts'
import { makeCall, planCalls } from './chaos-clients.ts'
import { waitForQuiet } from './chaos-mixed.ts'
import { type ClientCall, judge, type LedgerRow } from './chaos-verdict.ts'
import { startProgram } from './harness.ts'
import { createTenant, type Server, startServer } from './server.ts'

const CALLS = 40
const CALLERS = 8
const OUTPUT_TOKENS_MAX = 60
const KILL_AFTER_MS_MAX = 900
const MODEL = 'mock'

type Engine = Awaited<ReturnType<typeof startProgram<{ url: string }>>>

export class WholeGateway {
  readonly #home: string
  readonly #chance: Random
  #engine: Engine | undefined
  #server: Server | undefined
  #keys: string[] = []

  constructor(folder: string, chance: Random) {
    this.#home = join(folder, 'home')
    this.#chance = chance
  }

  async play(): Promise<WholeRound> {
    const server = this.#server ?? (await this.#begin())
    const calls: ClientCall[] = []
    const killed = this.#killSoon(server)
    const plan = planCalls(CALLS, this.#chance)
    let next = 0
    const caller = async () => {
      for (let one = plan[next++]; one !== undefined; one = plan[next++]) {
        const key = this.#keys[one.tenant] ?? ''
        const maxTokens = 1 + (one.maxTokens % OUTPUT_TOKENS_MAX)
        const target = { url: server.url, key, model: MODEL }
        calls.push(await makeCall({ ...one, maxTokens }, target, 'Tell me about mills.'))
      }
    }
    await Promise.all(Array.from({ length: CALLERS }, caller))
    await killed
    const again = await this.#start()
    const { openIntents } = await waitForQuiet(again)
    const broken = await provedBroken(again)
    const { violations } = judge(calls, await rowsOf(again))
    return {
      requests: calls.length,
      lost: violations.length + openIntents,
      doubled: 0,
      verifyFailures: broken === null ? 0 : 1,
      problems: [...violations, ...(broken === null ? [] : [broken])],
    }
  }

  async close(): Promise<void> {
    await this.#server?.end()
    await this.#engine?.stop()
  }

  async #begin(): Promise<Server> {
    // As root PostgreSQL runs as its own user, which has to pass through.
    chmodSync(join(this.#home, '..'), 0o711)
    mkdirSync(this.#home)
    this.#engine = await startProgram<{ url: string }>('mock-engine.ts', ['--model', MODEL])
    const server = await this.#start()
    await server.admin.post('/api/engines', { url: this.#engine.ready.url, name: MODEL })
    const tenants = [await createTenant(server, 'A'), await createTenant(server, 'B')]
    this.#keys = tenants.map(({ key }) => key)
    const budget = { name: 'day', unit: 'tokens', limit: '10000000', period: 'day' }
    await server.admin.post('/api/budgets', { ...budget, tenantId: tenants[0]?.id, isHard: true })
    return server
  }

  async #start(): Promise<Server> {
    this.#server = await startServer({ home: this.#home, engine: 'none' })
    return this.#server
  }

  async #killSoon(server: Server): Promise<void> {
    const afterMs = this.#chance.next() * KILL_AFTER_MS_MAX
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    await server.kill()
  }
}

/** @returns what is wrong first, a sentence */
async function provedBroken({ admin }: Server): Promise<string | null> {
  let after: string | null = ''
  while (after !== null) {
    const query = { part: 'requests', after: after === '' ? undefined : after }
    const part: VerifiedPartView = await admin.get('/api/ledger/verify', query)
    if (part.broken !== null) return `${part.broken.id} ${part.broken.what}`
    after = part.next
  }
  return null
}

async function rowsOf({ admin }: Server): Promise<LedgerRow[]> {
  const rows: LedgerRow[] = []
  for await (const row of admin.rows<RequestView>('/api/requests')) {
    const { id, group, estimated, inputTokens, cachedTokens, outputTokens } = row
    if (group === null) continue
    rows.push({ requestId: id, group, estimated, inputTokens, cachedTokens, outputTokens })
  }
  return rows
}
