/**
 * People who stream beside a batch while everything is being killed: what their clients see must
 * be an answer, an error that says what happened, or the end of a connection at a kill.
 */
import OpenAI from 'openai'
import { type Random, seededRandom } from '../src/base/index.ts'
import { prompt, sleep } from './chat-load.ts'

/** Where they call; changes when a gateway is replaced. */
export interface CallTarget {
  server: { url: string }
  back: Promise<void>
  model: string
  isDone: boolean
  kills: { gateway: number }
}

export interface CallerResult {
  calls: number
  answered: number
  /** Ended with an error that has a body, as an event or a status. */
  cleanErrors: number
  /** Connections that a kill of the gateway ended. */
  cutByKill: number
  uncleanClientErrors: number
  unclean: string[]
}

const PAUSE_MS = 300
const HANG_MS = 30_000
const UNCLEAN_SHOWN = 20

export class Callers {
  readonly #target: CallTarget
  readonly #key: string
  readonly #random: Random
  readonly #result: CallerResult = {
    calls: 0,
    answered: 0,
    cleanErrors: 0,
    cutByKill: 0,
    uncleanClientErrors: 0,
    unclean: [],
  }

  constructor(target: CallTarget, key: string, seed: number) {
    this.#target = target
    this.#key = key
    this.#random = seededRandom(seed + 1)
  }

  async callUntilDone(count: number): Promise<void> {
    const caller = async () => {
      while (!this.#target.isDone) {
        await this.#target.back
        await this.#call()
        await sleep(PAUSE_MS)
      }
    }
    await Promise.all(Array.from({ length: count }, caller))
  }

  result(): CallerResult {
    const result = this.#result
    return { ...result, unclean: result.unclean.slice(0, UNCLEAN_SHOWN) }
  }

  async #call(): Promise<void> {
    const { server, model, kills } = this.#target
    const killsBefore = kills.gateway
    const back = this.#target.back
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: this.#key, maxRetries: 0 })
    const hang = AbortSignal.timeout(HANG_MS)
    this.#result.calls++
    try {
      const stream = await client.chat.completions.create(
        {
          model,
          messages: [{ role: 'user', content: prompt(this.#random) }],
          max_tokens: 8 + Math.floor(this.#random.next() * 56),
          stream: true,
        },
        { signal: hang },
      )
      let isComplete = false
      for await (const chunk of stream) if (chunk.choices[0]?.finish_reason) isComplete = true
      if (hang.aborted) this.#unclean('no end after 30 s')
      else if (isComplete) this.#result.answered++
      else this.#ended('a stream without finish reason', killsBefore, back)
    } catch (error) {
      this.#failed(error, hang.aborted, killsBefore, back)
    }
  }

  #failed(error: unknown, hasHung: boolean, killsBefore: number, back: Promise<void>): void {
    if (hasHung) this.#unclean('no answer after 30 s')
    else if (error instanceof OpenAI.APIConnectionError || !(error instanceof OpenAI.APIError)) {
      this.#ended(String((error as Error).cause ?? error), killsBefore, back)
    } else if (error.code) this.#result.cleanErrors++
    else this.#ended(`status ${error.status} without an error body`, killsBefore, back)
  }

  /** The connection ended; that is fair where the gateway was killed under it. */
  #ended(what: string, killsBefore: number, back: Promise<void>): void {
    const { kills, back: backNow } = this.#target
    if (kills.gateway > killsBefore || backNow !== back) this.#result.cutByKill++
    else this.#unclean(what)
  }

  #unclean(what: string): void {
    this.#result.uncleanClientErrors++
    this.#result.unclean.push(what)
  }
}
