/** Mixed work at an even, modest rate: every door, people who leave, batches, keys that change. */
import OpenAI, { toFile } from 'openai'
import { request } from 'undici'
import type { Random } from '../src/base/index.ts'
import { makeCall, planCalls } from './chaos-clients.ts'
import { newDispatcher, prompt, sleep } from './chat-load.ts'
import type { Server } from './server.ts'

export interface SoakTenant {
  id: string
  key: string
}

export interface SoakCounts {
  calls: number
  left: number
  failed: number
  batches: number
  firstFailures: string[]
}

const EVERY_MS = 400
const MINUTE_MS = 60_000
const BATCH_LINES = 20
const FAILURES_SHOWN = 10

export class SoakLoad {
  readonly counts: SoakCounts = { calls: 0, left: 0, failed: 0, batches: 0, firstFailures: [] }
  readonly #server: Server
  readonly #model: string
  readonly #tenants: readonly SoakTenant[]
  readonly #random: Random
  readonly #dispatcher = newDispatcher()

  constructor(server: Server, model: string, tenants: readonly SoakTenant[], random: Random) {
    this.#server = server
    this.#model = model
    this.#tenants = tenants
    this.#random = random
  }

  /** Works until the signal; resolves when nothing runs any more. */
  async run(signal: AbortSignal): Promise<void> {
    const running = new Set<Promise<void>>()
    const begin = (what: string, work: Promise<void>) => {
      const done = work
        .catch((error: Error) => this.#fail(`${what}: ${error.message}`))
        .finally(() => running.delete(done))
      running.add(done)
    }
    const startMs = performance.now()
    for (let step = 0; !signal.aborted; step++) {
      if ((step * EVERY_MS) % MINUTE_MS === 0) {
        begin('batch', this.#batch())
        begin('key', this.#turnKey())
      }
      begin('call', this.#call())
      await sleep(startMs + (step + 1) * EVERY_MS - performance.now(), signal)
    }
    await Promise.all(running)
    await this.#dispatcher.destroy()
  }

  #fail(why: string): void {
    this.counts.failed++
    if (this.counts.firstFailures.length < FAILURES_SHOWN) this.counts.firstFailures.push(why)
  }

  async #call(): Promise<void> {
    this.counts.calls++
    const [planned] = planCalls(1, this.#random)
    const { key } = this.#tenants[planned?.tenant ?? 0] as SoakTenant
    const draw = this.#random.next()
    if (planned === undefined || draw < 0.4) return await this.#door(draw, key)
    const short = { ...planned, maxTokens: Math.min(planned.maxTokens, 200) }
    const target = { url: this.#server.url, key, model: this.#model }
    const { end } = await makeCall(short, target, prompt(this.#random))
    if (end === 'aborted') this.counts.left++
    else if (end === 'failed') this.#fail(`chat, ${planned.serviceTier}`)
  }

  /** A call at one of the other doors, streamed or whole. */
  async #door(draw: number, key: string): Promise<void> {
    const content = prompt(this.#random)
    const messages = [{ role: 'user', content }]
    const stream = this.#random.next() < 0.5
    const own = { model: this.#model, stream }
    const [path, body] =
      draw < 0.12
        ? ['/v1/messages', { ...own, max_tokens: 24, messages }]
        : draw < 0.24
          ? ['/v1/responses', { ...own, max_output_tokens: 24, input: content, store: false }]
          : draw < 0.34
            ? ['/v1/completions', { ...own, max_tokens: 24, prompt: content }]
            : ['/v1/models', null]
    const answer = await request(this.#server.url + path, {
      method: body === null ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: body === null ? null : JSON.stringify(body),
      dispatcher: this.#dispatcher,
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`${path} ${answer.statusCode} ${text}`)
  }

  async #batch(): Promise<void> {
    const { key } = this.#tenants[0] as SoakTenant
    const client = new OpenAI({ baseURL: `${this.#server.url}/v1`, apiKey: key, maxRetries: 0 })
    const line = (_: unknown, i: number) => {
      const messages = [{ role: 'user', content: prompt(this.#random) }]
      const body = { model: this.#model, max_tokens: 16, messages }
      return JSON.stringify({
        custom_id: `${i}`,
        method: 'POST',
        url: '/v1/chat/completions',
        body,
      })
    }
    const lines = Array.from({ length: BATCH_LINES }, line).join('\n')
    const file = await client.files.create({
      file: await toFile(Buffer.from(lines), 'soak.jsonl'),
      purpose: 'batch',
    })
    await client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    })
    this.counts.batches++
  }

  /** A key that is made, used once and taken away. */
  async #turnKey(): Promise<void> {
    const { admin, url } = this.#server
    const { id: tenantId } = this.#tenants[1] as SoakTenant
    const made = await admin.post<{ id: string; key: string }>('/api/keys', { tenantId })
    const headers = { authorization: `Bearer ${made.key}` }
    const answer = await request(`${url}/v1/models`, { headers, dispatcher: this.#dispatcher })
    await answer.body.dump()
    await admin.delete(`/api/keys/${made.id}`)
  }
}
