/** Collects an answer without streaming and hands it over whole, with the tier served in it. */
import type { IncomingHttpHeaders } from 'node:http'
import { EngineFailure, type EngineSink } from '../engine/index.ts'
import type { TokenCounts } from '../meter/index.ts'
import { jsonOrNull } from './json-text.ts'
import { REFUSAL_BYTES_MAX, type RelayOwner } from './relay.ts'
import { parsedObject, usageOfAnswer } from './usage.ts'

const OPEN = 0x7b
const TIER_KEY = '"service_tier"'

export class AnswerRelay implements EngineSink {
  readonly #owner: RelayOwner
  #status = 0
  #headers: IncomingHttpHeaders = {}
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #isOver = false
  readonly #usageAsItIs: ((body: Buffer) => TokenCounts | null) | undefined

  /** @param usageAsItIs reads the usage of an answer that is handed over byte by byte */
  constructor(owner: RelayOwner, usageAsItIs?: (body: Buffer) => TokenCounts | null) {
    this.#owner = owner
    this.#usageAsItIs = usageAsItIs
  }

  head(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status
    this.#headers = headers
  }

  data(chunk: Buffer): boolean {
    if (this.#isOver) return true
    const isRefusal = this.#status >= 300
    if (isRefusal && this.#bytes >= REFUSAL_BYTES_MAX) return true
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    const max = this.#owner.answerBytesMax
    if (this.#bytes > max) this.#broken(`its answer has more than ${max} bytes`)
    return true
  }

  end(): void {
    if (this.#isOver) return
    const [first] = this.#chunks
    const body = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks)
    if (this.#status >= 300) {
      this.#isOver = true
      this.#owner.engineRefused(this.#status, this.#headers, body)
    } else if (body[0] !== OPEN) this.#broken(NO_JSON)
    else if (this.#owner.isDurable) this.#complete(body)
    else this.#owner.whenDurable(() => this.#complete(body))
  }

  fail(error: Error, hadBytes: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#owner.engineFailed(error as EngineFailure, hadBytes)
  }

  #complete(body: Buffer): void {
    if (this.#usageAsItIs !== undefined) {
      this.#isOver = true
      this.#owner.answerDone(body, this.#usageAsItIs(body))
      return
    }
    const answer = withTier(body, this.#owner.tier)
    if (answer === null) {
      this.#broken(NO_JSON)
      return
    }
    this.#isOver = true
    this.#owner.answerDone(answer, usageOfAnswer(body))
  }

  #broken(reason: string): void {
    this.#isOver = true
    this.#owner.engineFailed(new EngineFailure('broken', reason), true)
  }
}

const NO_JSON = 'its answer is not a JSON object'

/**
 * The answer with the tier served as its first field, an engine's own replaced; null if no JSON.
 */
function withTier(body: Buffer, tier: string): Buffer | null {
  if (body.includes(TIER_KEY)) {
    const fields = parsedObject(body.toString('utf8'))
    const own = fields && jsonOrNull({ ...fields, service_tier: tier })
    return own === null ? null : Buffer.from(own)
  }
  const field = `{"service_tier":"${tier}",`
  const whole = Buffer.allocUnsafe(body.length - 1 + field.length)
  whole.write(field, 0, 'latin1')
  body.copy(whole, field.length, 1)
  return whole
}
