/**
 * Hostile requests for every door, drawn from a seed: well-formed ones, mutated ones, broken JSON,
 * and what is no HTTP at all. Every body carries a mark of its own, by which leaks are seen.
 */
import type { Random } from '../src/base/index.ts'

export interface FuzzRequest {
  /** What was done to it; runs are counted by it. */
  kind: 'plain' | 'mutated' | 'broken' | 'http'
  door: string
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
  /** Bytes after which the caller leaves in the middle of its body; null: it does not. */
  cutAt: number | null
  /** True where the caller goes away while it is being answered. */
  leaves: boolean
}

type Fields = Record<string, unknown>

/** Largest body that the server takes in a run, so that an oversized one is cheap. */
export const BODY_BYTES_MAX = 64 * 1024
/** Deeper than JavaScript can write, and within that. */
const DEPTH = 9000

export class FuzzBodies {
  readonly #random: Random
  readonly #model: string

  constructor(random: Random, model: string) {
    this.#random = random
    this.#model = model
  }

  /** @param tenant is a part of the mark */
  next(tenant: string): FuzzRequest {
    const id = Buffer.from(this.#random.bytes(8)).toString('hex')
    const mark = `mark-${tenant}-${id}`
    const door = this.pick(Object.keys(doors))
    // Bodies share parts, and are changed.
    const fields = structuredClone(doors[door]?.(this.#model, mark, this) ?? {})
    const request: FuzzRequest = {
      kind: 'plain',
      door,
      method: 'POST',
      path: door,
      headers: { 'content-type': 'application/json' },
      body: Buffer.alloc(0),
      cutAt: null,
      leaves: this.chance(0.03),
    }
    const dice = this.#random.next()
    if (dice < 0.35) request.body = json(fields)
    else if (dice < 0.75) {
      request.kind = 'mutated'
      for (let i = this.whole(1, 3); i > 0; i--) this.#mutate(fields)
      request.body = json(fields)
    } else if (dice < 0.9) {
      request.kind = 'broken'
      request.body = this.#broken(json(fields))
    } else {
      request.kind = 'http'
      request.body = json(fields)
      this.#http(request)
    }
    return request
  }

  chance(share: number): boolean {
    return this.#random.next() < share
  }

  whole(from: number, to: number): number {
    return from + Math.floor(this.#random.next() * (to - from + 1))
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random.next() * items.length)] as Item
  }

  /** Changes a random place of the body. */
  #mutate(fields: Fields): void {
    let place: Fields = fields
    for (let depth = this.whole(0, 4); depth > 0; depth--) {
      const inner = Object.values(place).filter((one) => typeof one === 'object' && one !== null)
      if (inner.length === 0) break
      place = this.pick(inner) as Fields
    }
    const keys = Object.keys(place)
    const more = Array.isArray(place) ? ['0', '5'] : FIELDS
    const key = keys.length > 0 && this.chance(0.8) ? this.pick(keys) : this.pick(more)
    if (this.chance(0.2)) delete place[key]
    else setOwn(place, key, this.pick(ODD)(this))
  }

  /** Bytes that are no JSON, or none that one would expect. */
  #broken(body: Buffer): Buffer {
    const at = this.whole(0, body.length)
    const cut = body.subarray(0, at)
    const rest = body.subarray(at)
    return this.pick([
      () => Buffer.from(cut),
      () => Buffer.concat([cut, Buffer.from([this.whole(0, 255)]), rest]),
      () => Buffer.concat([cut, Buffer.from([0xff, 0xc0, 0x80]), rest]),
      () => Buffer.concat([body, body]),
      () => Buffer.from(this.#random.bytes(this.whole(0, 200))),
      () => Buffer.from('['.repeat(this.whole(1, BODY_BYTES_MAX))),
      () => Buffer.from('{"a":'.repeat(this.whole(1, BODY_BYTES_MAX / 5))),
      () => Buffer.from(`\ufeff${body.toString()}`),
      () => Buffer.from(body.toString().replaceAll('"', "'")),
      () => Buffer.alloc(0),
      () => Buffer.from('null'),
      () => Buffer.from(body.toString(), 'utf16le'),
    ])()
  }

  /** What is wrong around the body. */
  #http(request: FuzzRequest): void {
    const { headers, body } = request
    const oversized = Buffer.alloc(BODY_BYTES_MAX + this.whole(1, 4096), 0x20)
    const methods = ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']
    const parts: [keyof FuzzRequest, () => unknown][] = [
      ['cutAt', () => this.whole(0, body.length)],
      ['body', () => oversized],
      ['method', () => this.pick(methods)],
      ['path', () => request.door + this.pick(PATHS)],
      ['path', () => this.pick(OTHER_PATHS)],
    ]
    if (this.chance(0.4)) {
      const [name, value] = this.pick(parts)
      Object.assign(request, { [name]: value() })
    } else {
      const [name, values] = this.pick(HEADERS)
      headers[name] = this.pick(values)
    }
  }
}

/** Headers that mean something to the gateway, as nobody should send them. */
const HEADERS: readonly [name: string, values: readonly string[]][] = [
  ['content-type', ['text/plain', 'multipart/form-data', 'multipart/form-data; boundary=x', '']],
  ['content-encoding', ['gzip', 'br', 'identity', 'x']],
  ['x-gristmill-class', ['priority', 'batch', 'gold', '\u00e9']],
  ['x-gristmill-max-wait-ms', ['1', '-1', '1e9', 'soon', '0']],
  ['x-long', ['x'.repeat(8000), 'x'.repeat(20_000)]],
  ['anthropic-version', ['2023-06-01', '', '%']],
  ['authorization', ['Bearer', 'Bearer x', 'Basic eDp5', '']],
  ['expect', ['100-continue', 'x']],
]

/** Also where the name is one that an assignment would take for something else. */
const setOwn = (place: Fields, key: string, value: unknown) =>
  Object.defineProperty(place, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  })

/** Stand for values that are nested deeper than they could be written here. */
const DEEP_LIST = 'a deep list'
const DEEP_OBJECT = 'a deep object'
const deepList = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`
const deepObject = `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`

const json = (fields: Fields) => {
  const text = JSON.stringify(fields).replace(`"${DEEP_LIST}"`, deepList)
  return Buffer.from(text.replace(`"${DEEP_OBJECT}"`, deepObject))
}

const PATHS = ['?beta=true', '?', '/', '/%', '?%00=%ff', '#x', '//', '/..', ';x=1', '%2f']
const OTHER_PATHS = [
  '/v1/models/%zz',
  '/v1/models/%00',
  '/v1/nothing',
  '/v1/',
  '/v1//messages',
  '/v1/queue',
  '/v1/responses/resp_1',
  '/v1/files/../../x',
]

/** Fields that some door knows, and names that mean something to JavaScript. */
const FIELDS = [
  ...['n', 'stop', 'tools', 'tool_choice', 'user', 'metadata', 'response_format', 'logprobs'],
  ...['stream_options', 'service_tier', 'priority', 'cache_salt', 'logit_bias', 'temperature'],
  ...['reasoning', 'text', 'instructions', 'system', 'thinking', 'output_config', 'input', 'type'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '0', 'length', 'toJSON'],
]

const ODD: readonly ((draw: FuzzBodies) => unknown)[] = [
  () => null,
  () => true,
  () => '',
  () => [],
  () => ({}),
  () => 0,
  () => -1,
  () => 1.5,
  () => 1e308,
  () => 2 ** 53,
  () => '\u0000',
  () => '\ud800',
  () => 'a\u0000b\r\n\r\ndata: [DONE]\n\n',
  () => '__proto__',
  (draw) => 'x'.repeat(draw.whole(1, 5000)),
  (draw) => Array.from({ length: draw.whole(1, 500) }, () => null),
  (draw) => Object.fromEntries(Array.from({ length: draw.whole(1, 300) }, (_, i) => [`k${i}`, i])),
  () => DEEP_LIST,
  () => DEEP_OBJECT,
  () => [[], {}, null, 1, 'x'],
  () => ({ type: 'text' }),
  () => ({ type: 'function', name: 'f', function: { name: 'f' } }),
  () => ({ role: 'user', content: [{ type: 'text', text: 'x' }] }),
  () => ({ toString: 1, constructor: null }),
]

const tool = { name: 'grind', description: 'Grinds.' }
const schema = { type: 'object', properties: { grain: { type: 'string' } } }

/** A body of every door as its clients write it. */
const doors: Record<string, (model: string, mark: string, draw: FuzzBodies) => Fields> = {
  '/v1/chat/completions': (model, mark, draw) => ({
    model,
    messages: [
      { role: 'system', content: 'You mill.' },
      { role: 'user', content: draw.chance(0.5) ? mark : [{ type: 'text', text: mark }] },
      ...(draw.chance(0.3) ? chatCall : []),
    ],
    max_tokens: draw.whole(1, 200),
    stream: draw.chance(0.6),
    ...(draw.chance(0.3) && { stream_options: { include_usage: true } }),
    ...(draw.chance(0.3) && {
      tools: [{ type: 'function', function: { ...tool, parameters: schema } }],
    }),
    ...(draw.chance(0.2) && { user: 'someone', n: draw.whole(1, 3) }),
  }),
  '/v1/completions': (model, mark, draw) => ({
    model,
    prompt: draw.chance(0.7) ? mark : [mark, mark],
    max_tokens: draw.whole(1, 200),
    stream: draw.chance(0.5),
  }),
  '/v1/embeddings': (model, mark, draw) => ({
    model,
    input: draw.chance(0.5) ? mark : [mark],
  }),
  '/v1/messages': (model, mark, draw) => ({
    model,
    max_tokens: draw.whole(1, 5000),
    system: draw.chance(0.5) ? 'You mill.' : [{ type: 'text', text: 'You mill.' }],
    messages: [
      {
        role: 'user',
        content: [{ type: 'text', text: mark, cache_control: { type: 'ephemeral' } }],
      },
      ...(draw.chance(0.3) ? messagesCall : []),
    ],
    stream: draw.chance(0.6),
    ...(draw.chance(0.3) && { tools: [{ ...tool, input_schema: schema }] }),
    ...(draw.chance(0.3) && { thinking: { type: 'adaptive' }, metadata: { user_id: 'someone' } }),
  }),
  '/v1/messages/count_tokens': (model, mark) => ({
    model,
    messages: [{ role: 'user', content: mark }],
  }),
  '/v1/responses': (model, mark, draw) => ({
    model,
    instructions: 'You mill.',
    input: draw.chance(0.5) ? mark : [{ role: 'user', content: mark }, ...responsesCall],
    stream: draw.chance(0.6),
    ...(draw.chance(0.3) && { tools: [{ type: 'function', ...tool, parameters: schema }] }),
    ...(draw.chance(0.3) && { metadata: { a: 'b' }, store: false, reasoning: { effort: 'low' } }),
  }),
  '/v1/batches': () => ({
    input_file_id: 'file_none',
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  }),
  '/v1/files': (_, mark) => ({ purpose: 'batch', file: mark }),
}

const chatCall = [
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'grind', arguments: '{}' } }],
  },
  { role: 'tool', tool_call_id: 'c1', content: 'flour' },
]
const messagesCall = [
  { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'grind', input: {} }] },
  { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: 'flour' }] },
]
const responsesCall = [
  { type: 'function_call', call_id: 'c1', name: 'grind', arguments: '{}' },
  { type: 'function_call_output', call_id: 'c1', output: 'flour' },
]
