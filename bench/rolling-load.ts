/** Clients that stream through a balancer, which sends to gateways that say they are ready. */
import { Agent, type Dispatcher, request } from 'undici'
import type { Random } from '../src/base/index.ts'
import type { Replica } from './replica.ts'

export interface BalancedCall {
  end: 'done' | 'lost' | 'broken'
  error: string | null
  /** How often it went on to another gateway before anything was answered. */
  resent: number
  ttftMs: number | null
}

const IN_FLIGHT = 12
/** As often as a balancer asks. */
const PROBE_MS = 500
const TRIES_MAX = 4
const STREAM_MS_MAX = 60_000
/** Some answers take longer than a restart. */
const LONG_SHARE = 0.1
const LONG_TOKENS = 200

export class BalancedLoad {
  readonly #replicas: readonly Replica[]
  readonly #key: string
  readonly #model: string
  readonly #random: Random
  readonly #calls: BalancedCall[] = []
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
  #ready: Replica[] = []
  #turn = 0
  #isStopped = false
  #loops: Promise<void>[] = []

  constructor(replicas: readonly Replica[], key: string, model: string, random: Random) {
    this.#replicas = replicas
    this.#key = key
    this.#model = model
    this.#random = random
    this.#ready = [...replicas]
  }

  async isServedEverywhere(): Promise<boolean> {
    const headers = { authorization: `Bearer ${this.#key}` }
    for (const { url } of this.#replicas) {
      const answer = await fetch(`${url}/v1/models`, { headers })
      if (!(await answer.text()).includes(this.#model)) return false
    }
    return true
  }

  start(): void {
    this.#loops = [this.#probe(), ...Array.from({ length: IN_FLIGHT }, () => this.#loop())]
  }

  async stop(): Promise<readonly BalancedCall[]> {
    this.#isStopped = true
    await Promise.all(this.#loops)
    await this.#agent.close()
    return this.#calls
  }

  async #probe(): Promise<void> {
    while (!this.#isStopped) {
      const states = await Promise.all(this.#replicas.map((one) => one.isReady()))
      this.#ready = this.#replicas.filter((_, i) => states[i])
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS))
    }
  }

  async #loop(): Promise<void> {
    while (!this.#isStopped) this.#calls.push(await this.#call())
  }

  async #call(): Promise<BalancedCall> {
    const call: BalancedCall = { end: 'done', error: null, resent: 0, ttftMs: null }
    const tokens =
      this.#random.next() < LONG_SHARE ? LONG_TOKENS : 8 + Math.floor(this.#random.next() * 24)
    const startMs = performance.now()
    const answer = await this.#answered(tokens, call)
    if (answer === null) return call
    let text = ''
    try {
      for await (const chunk of answer.body) {
        text += String(chunk)
        if (text.includes('"content"')) call.ttftMs ??= performance.now() - startMs
      }
    } catch (error) {
      call.error = (error as Error).message
    }
    if (!text.includes('data: [DONE]')) {
      call.end = 'broken'
      call.error ??= text.slice(-200)
    }
    return call
  }

  /** The first answer that is no refusal of a gateway that is going; null where there is none. */
  async #answered(tokens: number, call: BalancedCall): Promise<Dispatcher.ResponseData | null> {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const replica = this.#ready[this.#turn++ % Math.max(1, this.#ready.length)]
      try {
        const answer = await this.#ask(replica?.url, tokens)
        if (answer.statusCode === 200) return answer
        call.error = `${answer.statusCode} ${(await answer.body.text()).slice(0, 200)}`
      } catch (error) {
        call.error = (error as Error).message
      }
      call.resent++
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS / 2))
    }
    call.end = 'lost'
    return null
  }

  async #ask(url: string | undefined, tokens: number): Promise<Dispatcher.ResponseData> {
    if (url === undefined) throw new Error('no gateway is ready')
    return request(`${url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(STREAM_MS_MAX),
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: this.#model,
        messages: [{ role: 'user', content: 'A tale for tenant a' }],
        max_tokens: tokens,
        stream: true,
      }),
    })
  }
}
