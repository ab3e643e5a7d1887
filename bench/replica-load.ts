/** Two tenants who always want more than there is, at every gateway; and what their clients saw. */
import { Agent, request } from 'undici'
import type { Random } from '../src/base/index.ts'
import type { Replica } from './replica.ts'

const IN_FLIGHT = 5
const REQUEST_MS_MAX = 60_000
const AGAIN_MS = 300
/** Nothing waits or runs for so long. */
const LOST_MS = 30_000
/** Some run for longer than a takeover takes. */
const LONG_SHARE = 0.1
const LONG = 150

interface Seen {
  replica: Replica
  fromMs: number
  toMs: number
  error: string | null
}

export class ReplicaLoad {
  readonly #replicas: readonly Replica[]
  readonly #keys: Record<string, string>
  readonly #model: string
  readonly #random: Random
  readonly #seen: Seen[] = []
  readonly #open = new Set<Seen>()
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connections: null })
  readonly #ending = new AbortController()
  readonly #cut = new Set<Seen>()
  #isStopped = false
  #loops: Promise<void>[] = []

  constructor(
    replicas: readonly Replica[],
    keys: Record<string, string>,
    model: string,
    random: Random,
  ) {
    this.#replicas = replicas
    this.#keys = keys
    this.#model = model
    this.#random = random
  }

  async isServedEverywhere(): Promise<boolean> {
    const key = Object.values(this.#keys)[0]
    for (const { url } of this.#replicas) {
      const headers = { authorization: `Bearer ${key}` }
      const answer = await fetch(`${url}/v1/models`, { headers })
      if (answer.status !== 200 || !(await answer.text()).includes(this.#model)) return false
    }
    return true
  }

  start(): void {
    for (const replica of this.#replicas) {
      for (const [tenant, key] of Object.entries(this.#keys)) {
        for (let i = 0; i < IN_FLIGHT; i++) this.#loops.push(this.#loop(replica, tenant, key))
      }
    }
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    // What is open only now is cut short; of what is open for long nothing was heard.
    const nowMs = performance.now()
    for (const seen of this.#open) {
      if (nowMs - seen.fromMs < LOST_MS) this.#cut.add(seen)
    }
    this.#ending.abort()
    await Promise.all(this.#loops)
    await this.#agent.destroy()
  }

  /** To be asked once everything has stopped. */
  verdict(): { errors: string[]; lost: number; requests: number } {
    const well = this.#seen.filter((one) => wasWell(one))
    const failed = well.filter(({ error }) => error !== null)
    const lost = failed.filter(({ error }) => error === LOST)
    const words = failed.filter((one) => !lost.includes(one))
    return {
      errors: words.map(({ replica, error, fromMs, toMs }) => {
        return `${replica.name}, ${Math.round(fromMs)} to ${Math.round(toMs)} ms: ${error}`
      }),
      lost: lost.length,
      requests: this.#seen.length,
    }
  }

  async #loop(replica: Replica, tenant: string, key: string): Promise<void> {
    while (!this.#isStopped) {
      const seen = await this.#ask(replica, tenant, key)
      if (seen.error !== null) await sleep(AGAIN_MS)
    }
  }

  async #ask(replica: Replica, tenant: string, key: string): Promise<Seen> {
    const fromMs = performance.now()
    const seen: Seen = { replica, fromMs, toMs: Number.POSITIVE_INFINITY, error: null }
    this.#open.add(seen)
    const signal = AbortSignal.any([AbortSignal.timeout(REQUEST_MS_MAX), this.#ending.signal])
    try {
      await this.#call(replica.url, tenant, key, signal)
    } catch (error) {
      seen.error = signal.aborted ? LOST : (error as Error).message
    }
    seen.toMs = performance.now()
    this.#open.delete(seen)
    if (!this.#cut.has(seen)) this.#seen.push(seen)
    return seen
  }

  async #call(
    url: string | undefined,
    tenant: string,
    key: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (url === undefined) throw new Error('it does not run')
    const isPriority = this.#random.next() < 0.2
    const content = `A tale for tenant ${tenant}, number ${Math.floor(this.#random.next() * 1e9)}`
    const answer = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: this.#agent,
      signal,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: this.#model,
        messages: [{ role: 'user', content }],
        max_tokens:
          this.#random.next() < LONG_SHARE ? LONG : 8 + Math.floor(this.#random.next() * 24),
        stream: true,
        ...(isPriority && { service_tier: 'priority' }),
      }),
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${text.slice(0, 200)}`)
    if (!text.includes('data: [DONE]')) throw new Error(`it broke off: ${text.slice(-200)}`)
  }
}

const LOST = 'nothing was heard of it any more'

/** A gateway was well from the beginning of a request to its end. */
function wasWell({ replica, fromMs, toMs }: Seen): boolean {
  return !replica.illnesses.some((ill) => ill.fromMs < toMs && ill.toMs > fromMs)
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
