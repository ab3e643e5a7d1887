/** A request as budgets see it: what it can cost at most, proven and not estimated. */
import {
  type BudgetRequest,
  type Cost,
  chargeMax,
  type Hold,
  limitAsWritten,
} from '../meter/index.ts'
import { type CanonicalRequest, outputTokensMax } from './canonical.ts'
import { jsonOf } from './json-text.ts'
import type { LifeOptions } from './life-types.ts'
import type { ReplyHeaders } from './reply.ts'

/** What templates put around messages, and around a conversation. */
const TOKENS_PER_MESSAGE = 16
const TOKENS_PER_CHAT = 512
/**
 * What is set aside of an engine's time: a prompt and slow tokens. It is no bound of what an engine
 * takes, but of what it is left to take.
 */
const ENGINE_MS = 30_000
const ENGINE_MS_PER_TOKEN = 100
/** Templates explain tools, and write their schemas with room between the lines. */
const TOKENS_FOR_TOOLS = 1024
const BYTES_PER_TOOL_BYTE = 3

/** @param options of the request, as it would run */
export function budgetRequestOf({
  request,
  price,
  outputTokensDefault,
  standing,
}: Pick<LifeOptions, 'request' | 'price' | 'outputTokensDefault' | 'standing'>): BudgetRequest {
  const inputTokens = inputTokensMax(request)
  const isEmbedding = request.endpoint === '/v1/embeddings'
  const answers = answersOf(request)
  return {
    costMax: (outputTokens) =>
      inputTokens === null
        ? null
        : new CostMax(price, {
            inputTokens,
            outputTokens,
            engineMs: engineMsMax(outputTokens),
            isEmbedding,
          }),
    outputTokens: (outputTokensMax(request, outputTokensDefault) / request.choices) * answers,
    outputTokensMin: answers,
    mayClamp: !isEmbedding && answers === request.choices && isTranslatable(request),
    waitMsMax: standing.waitMsMax,
    costsTime: price !== null && price.rates.engineSecond > 0n,
  }
}

const engineMsMax = (outputTokens: number) => ENGINE_MS + ENGINE_MS_PER_TOKEN * outputTokens

class CostMax implements Cost {
  readonly #price: LifeOptions['price']
  readonly #bounds: Parameters<typeof chargeMax>[1]

  constructor(price: LifeOptions['price'], bounds: Parameters<typeof chargeMax>[1]) {
    this.#price = price
    this.#bounds = bounds
  }

  get money(): bigint {
    return this.#price === null ? 0n : chargeMax(this.#price.rates, this.#bounds)
  }

  get tokens(): bigint {
    return BigInt(this.#bounds.inputTokens + this.#bounds.outputTokens)
  }

  get engine_seconds(): bigint {
    return BigInt(this.#bounds.engineMs)
  }
}

/**
 * Tokens of a prompt at most: no tokenizer makes more of a text than it has bytes, and the body has
 * at least the bytes of all texts in it. null for what is no text.
 */
export function inputTokensMax({ endpoint, fields, raw, ownWords }: CanonicalRequest) {
  if (ownWords?.untranslatable !== undefined) return null
  if (endpoint !== '/v1/chat/completions') return raw.length
  const messages = Array.isArray(fields.messages) ? (fields.messages as Message[]) : []
  if (messages.some(({ content }) => Array.isArray(content) && !content.every(isText))) return null
  const around = TOKENS_PER_CHAT + TOKENS_PER_MESSAGE * messages.length
  const { tools, functions } = fields
  if (tools === undefined && functions === undefined) return raw.length + around
  const toolBytes = jsonOf([tools, functions]).length * BYTES_PER_TOOL_BYTE
  return raw.length + around + TOKENS_FOR_TOOLS + toolBytes
}

interface Message {
  content?: unknown
}

const isText = (part: unknown) => typeof (part as { text?: unknown } | null)?.text === 'string'

/** Answers that are worked out, of which fewer may be told. */
function answersOf({ choices, fields }: CanonicalRequest): number {
  const { best_of: bestOf } = fields
  return typeof bestOf === 'number' && bestOf > choices ? bestOf : choices
}

/** What goes to an engine in the client's own words has its bound in them. */
const isTranslatable = ({ ownWords }: CanonicalRequest) => ownWords?.untranslatable === undefined

/** The request with the bound that its budget allows, where that is a lower one. */
export function clamped(options: LifeOptions, hold: Hold): LifeOptions {
  if (!hold.isClamped) return options
  const { request } = options
  const most = Math.floor(hold.outputTokens / request.choices)
  const fields = { ...request.fields }
  delete fields.max_tokens
  delete fields.max_completion_tokens
  const bounded: CanonicalRequest = {
    ...request,
    outputTokensAsked: null,
    outputTokensAtMost: most,
    ownWords: undefined,
    raw: Buffer.from(jsonOf(fields)),
    fields,
  }
  return { ...options, request: bounded, outputTokensDefault: most }
}

/** Adds how the tightest of its budgets stands, and whether its answer had to be shorter for it. */
export function withBudget(headers: ReplyHeaders, hold: Hold): ReplyHeaders {
  const { tightest } = hold
  const bound = hold.isClamped ? ['x-gristmill-budget-clamped', hold.outputTokens] : NONE
  if (tightest === undefined) return [...headers, ...bound]
  const { budget, left, renewsAtMs } = tightest
  const own = headersOf(budget, renewsAtMs)
  const leftText = limitAsWritten(budget.unit, left)
  return [...headers, ...bound, 'x-gristmill-budget-left', leftText, ...own]
}

const NONE: ReplyHeaders = []

type Tightest = NonNullable<Hold['tightest']>

interface Written {
  renewsAtMs: number
  headers: readonly string[]
}

/** What stays the same in a period; a budget that is changed is another object. */
const written = new WeakMap<Tightest['budget'], Written>()

function headersOf(budget: Tightest['budget'], renewsAtMs: number): readonly string[] {
  const known = written.get(budget)
  if (known?.renewsAtMs === renewsAtMs) return known.headers
  const { name, unit, limit } = budget
  const headers = [
    ...['x-gristmill-budget', encodeURI(name)],
    ...['x-gristmill-budget-unit', unit],
    ...['x-gristmill-budget-limit', limitAsWritten(unit, limit)],
  ]
  if (renewsAtMs !== Number.POSITIVE_INFINITY) {
    headers.push('x-gristmill-budget-renews-at', new Date(renewsAtMs).toISOString())
  }
  written.set(budget, { renewsAtMs, headers })
  return headers
}
