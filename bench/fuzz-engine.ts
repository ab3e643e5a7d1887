/**
 * A hostile engine: a real server of OpenAI's wire that answers, by a seed, well or in one of many
 * wrong ways. Whatever it says carries the marks that it found in the prompt, so that an answer
 * which reaches the wrong client is seen.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Random } from '../src/base/index.ts'

export interface FuzzEngine {
  url: string
  /** Answers by the name of what was done. */
  readonly answered: Map<string, number>
  close(): void
}

export const MODEL = 'fuzz'
const MARK = /mark-\w+-[0-9a-f]{16}/g
/** Longest event that the gateway takes in a run, so that a longer one is cheap. */
export const ANSWER_BYTES_MAX = 256 * 1024

interface Asked {
  random: Random
  response: ServerResponse
  path: string
  isStream: boolean
  text: string
}

export async function startFuzzEngine(random: Random): Promise<FuzzEngine> {
  const answered = new Map<string, number>()
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      send(response, request.url === '/v1/models' ? 200 : 404, JSON.stringify(models))
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const path = request.url ?? ''
      const isStream = /"stream": ?true/.test(body)
      const text = (body.match(MARK) ?? ['nothing']).join(' ')
      const asked = { random, response, path, isStream, text }
      const good: Way = ['good', isStream ? goodStream : goodAnswer]
      const ways = isStream ? badStreams : badAnswers
      const [name, answer] = random.next() < 0.5 ? good : pick(random, [...ways, ...anyBad])
      answered.set(name, (answered.get(name) ?? 0) + 1)
      answer(asked)
    })
  })
  server.on('clientError', (_, socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    answered,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

type Way = readonly [name: string, answer: (asked: Asked) => void]

const pick = <Item>(random: Random, items: readonly Item[]): Item =>
  items[Math.floor(random.next() * items.length)] as Item

const models = {
  object: 'list',
  data: [
    {
      id: MODEL,
      object: 'model',
      owned_by: 'gristmill',
      max_model_len: 32_768,
      meta: { cap: 32, express: 0, slots: 32 },
    },
  ],
}

function send(response: ServerResponse, status: number, body: string | Buffer, more = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...more })
  response.end(body)
}

const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 }

const chunk = (delta: unknown, finish_reason: unknown = null, more = {}) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: MODEL, choices: [{ index: 0, delta, text: '', finish_reason }], ...more })}\n\n`
const DONE = 'data: [DONE]\n\n'
const END = `${chunk({}, 'stop')}data: ${JSON.stringify({ choices: [], usage })}\n\n${DONE}`

function stream({ response }: Asked, text: string | Buffer): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.end(text)
}

const said = ({ text }: Asked) => chunk({ role: 'assistant', content: text })
const call = (given: unknown) => chunk({ tool_calls: given })

function goodStream(asked: Asked): void {
  const call0 = [{ index: 0, id: 'c1', function: { name: 'grind', arguments: '{"grain":"rye"}' } }]
  const calls = asked.random.next() < 0.3 ? call(call0) : ''
  stream(asked, said(asked) + calls + END)
}

const answerOf = (message: unknown, more: object = {}) =>
  JSON.stringify({
    id: 'c',
    object: 'chat.completion',
    model: MODEL,
    choices: [{ index: 0, message, text: '', finish_reason: 'stop' }],
    data: [{ index: 0, embedding: [0, 1] }],
    usage,
    ...more,
  })

function goodAnswer({ response, text }: Asked): void {
  send(response, 200, answerOf({ role: 'assistant', content: text }))
}

/** Writes it in pieces of any length, each in a packet of its own. */
function inPieces(asked: Asked, text: string): void {
  const bytes = Buffer.from(text)
  const { response, random } = asked
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let at = 0
  const next = () => {
    if (response.destroyed) return
    if (at >= bytes.length) return void response.end()
    const end = at + 1 + Math.floor(random.next() * 200)
    response.write(bytes.subarray(at, end))
    at = end
    setImmediate(next)
  }
  next()
}

/** Begins to answer and breaks the connection. */
function broken({ response }: Asked, head: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(head, () => response.destroy())
}

const ODD: readonly unknown[] = [
  null,
  [],
  {},
  0,
  '',
  'x',
  [null],
  [[]],
  [{}],
  -1,
  true,
  [{ index: -1, function: null }],
  [{ index: 1e9, id: 7, function: { name: 5, arguments: {} } }],
  [{ index: 0, function: { name: 'f', arguments: '{"a":' } }],
]
const USAGES: readonly unknown[] = [
  { prompt_tokens: -5, completion_tokens: 1 },
  { prompt_tokens: 2 ** 53, completion_tokens: 2 ** 53 },
  { prompt_tokens: 2 ** 40, completion_tokens: 2 ** 40 },
  { prompt_tokens: '5', completion_tokens: null },
  { prompt_tokens: 5, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 99 } },
  { prompt_tokens: 1.5, completion_tokens: 1e308, prompt_tokens_details: 'x' },
  [],
  'many',
]
const odd = ({ random }: Asked) => pick(random, ODD)
const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`

const badStreams: readonly Way[] = [
  ['in pieces', (asked) => inPieces(asked, said(asked) + END)],
  ['with CRLF', (asked) => stream(asked, (said(asked) + END).replaceAll('\n', '\r\n'))],
  ['without an end', (asked) => stream(asked, said(asked))],
  ['without a finish reason', (asked) => stream(asked, said(asked) + DONE)],
  ['without DONE', (asked) => stream(asked, said(asked) + chunk({}, 'stop'))],
  ['empty', (asked) => stream(asked, '')],
  [
    'with an error',
    (asked) => stream(asked, `${said(asked)}data: {"error":{"message":"${asked.text}"}}\n\n`),
  ],
  [
    'with an odd error',
    (asked) => stream(asked, `data: {"error":${JSON.stringify(odd(asked))}}\n\n`),
  ],
  ['with an event name', (asked) => stream(asked, `event: x\nid: 1\n${said(asked)}${END}`)],
  ['that goes on after DONE', (asked) => stream(asked, said(asked) + END + said(asked) + END)],
  [
    'with no JSON',
    (asked) => stream(asked, `data: ${asked.text}\n\ndata: {"choi\n\n${said(asked)}${END}`),
  ],
  ['that begins with no JSON', (asked) => stream(asked, `data: <html>\n\n${END}`)],
  ['of another kind', (asked) => stream(asked, `<html>${asked.text}</html>`)],
  ['of an answer', (asked) => send(asked.response, 200, answerOf({ content: asked.text }))],
  [
    'with odd choices',
    (asked) =>
      stream(asked, `data: ${JSON.stringify({ choices: odd(asked) })}\n\n${said(asked)}${END}`),
  ],
  ['with an odd delta', (asked) => stream(asked, chunk(odd(asked)) + said(asked) + END)],
  ['with odd calls', (asked) => stream(asked, call(odd(asked)) + said(asked) + END)],
  [
    'with odd content',
    (asked) =>
      stream(asked, chunk({ content: odd(asked), reasoning: odd(asked) }) + said(asked) + END),
  ],
  ['with an odd finish', (asked) => stream(asked, said(asked) + chunk({}, odd(asked)) + END)],
  [
    'with two finishes',
    (asked) => stream(asked, said(asked) + chunk({}, 'length') + chunk({}, 'x') + END),
  ],
  [
    'with odd usage',
    (asked) =>
      stream(
        asked,
        said(asked) +
          chunk({}, 'stop') +
          `data: ${JSON.stringify({ choices: [], usage: pick(asked.random, USAGES) })}\n\n${DONE}`,
      ),
  ],
  [
    'with bytes that are no UTF-8',
    (asked) =>
      stream(
        asked,
        Buffer.concat([
          Buffer.from('data: {"choices":[{"delta":{"content":"'),
          Buffer.from([0xff, 0xc0, 0x00]),
          Buffer.from(`"}}]}\n\n${said(asked)}${END}`),
        ]),
      ),
  ],
  [
    'with line breaks of all kinds',
    (asked) =>
      stream(
        asked,
        chunk({ content: 'a\r\n\r\ndata: [DONE]\u2028\u0000\u0085' }) + said(asked) + END,
      ),
  ],
  [
    'with a deep event',
    (asked) => stream(asked, `data: {"choices":${deep}}\n\n${said(asked)}${END}`),
  ],
  [
    'with deep arguments',
    (asked) =>
      stream(asked, call([{ index: 0, id: 'c', function: { name: 'f', arguments: deep } }]) + END),
  ],
  [
    'with an event too long',
    (asked) => stream(asked, chunk({ content: 'x'.repeat(ANSWER_BYTES_MAX + 1) }) + END),
  ],
  [
    'with very many events',
    (asked) => stream(asked, said(asked) + chunk({ content: 'x' }).repeat(500) + END),
  ],
  ['with comments only', (asked) => stream(asked, ': x\n\n'.repeat(50))],
  ['cut within an event', (asked) => broken(asked, said(asked) + said(asked).slice(0, 30))],
  ['cut after an event', (asked) => broken(asked, said(asked))],
  ['cut before an event', (asked) => broken(asked, '')],
]

const badAnswers: readonly Way[] = [
  [
    'cut short',
    (asked) => send(asked.response, 200, answerOf({ content: asked.text }).slice(0, 60)),
  ],
  ['no JSON', (asked) => send(asked.response, 200, `<html>${asked.text}</html>`)],
  ['empty', (asked) => send(asked.response, 200, '')],
  ['a list', (asked) => send(asked.response, 200, '[]')],
  ['a brace', (asked) => send(asked.response, 200, '{')],
  [
    'an error with 200',
    (asked) => send(asked.response, 200, `{"error":{"message":"${asked.text}"}}`),
  ],
  ['odd choices', (asked) => send(asked.response, 200, answerOf({}, { choices: odd(asked) }))],
  ['an odd message', (asked) => send(asked.response, 200, answerOf(odd(asked)))],
  [
    'odd content',
    (asked) => send(asked.response, 200, answerOf({ content: odd(asked), tool_calls: odd(asked) })),
  ],
  [
    'odd usage',
    (asked) =>
      send(
        asked.response,
        200,
        answerOf({ content: asked.text }, { usage: pick(asked.random, USAGES) }),
      ),
  ],
  [
    'deep',
    (asked) =>
      send(
        asked.response,
        200,
        answerOf({ content: asked.text }).replace('"data"', `"deep":${deep},"data"`),
      ),
  ],
  [
    'deep arguments',
    (asked) =>
      send(
        asked.response,
        200,
        answerOf({
          tool_calls: [{ id: 'c', function: { name: 'f', arguments: `{"a":${deep}}` } }],
        }),
      ),
  ],
  [
    'a tier of its own',
    (asked) =>
      send(asked.response, 200, answerOf({ content: asked.text }, { service_tier: odd(asked) })),
  ],
  [
    'too long',
    (asked) => send(asked.response, 200, answerOf({ content: 'x'.repeat(ANSWER_BYTES_MAX) })),
  ],
  [
    'no UTF-8',
    (asked) =>
      send(
        asked.response,
        200,
        Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
      ),
  ],
]

const status = (code: number, body: (asked: Asked) => string): Way => [
  `status ${code}`,
  (asked) => send(asked.response, code, body(asked)),
]

/** Ways that do not depend on what was asked for. */
const anyBad: readonly Way[] = [
  status(400, ({ text }) => JSON.stringify({ error: { message: text, code: 'x' } })),
  status(400, (asked) => JSON.stringify({ error: odd(asked) })),
  status(400, () => JSON.stringify({ error: { message: 'maximum context length', code: deep } })),
  status(404, ({ text }) => `<html>${text}</html>`),
  status(413, () => 'x'.repeat(200_000)),
  status(422, ({ text }) => JSON.stringify({ detail: [{ msg: text }] })),
  status(429, () => ''),
  status(500, () => '{"error":'),
  status(503, () => 'null'),
  status(302, () => ''),
  status(204, () => ''),
  status(401, () => '{}'),
  ['a closed connection', ({ response }) => response.destroy()],
  [
    'a wrong length',
    ({ response, text }) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 5000 })
      response.write(`{"a":"${text}`, () => response.destroy())
    },
  ],
  ['no HTTP', ({ response, text }) => void response.socket?.end(`garbage ${text}\r\n\r\n`)],
  [
    'a long head',
    ({ response, text }) => send(response, 200, text, { 'x-long': 'x'.repeat(30_000) }),
  ],
  [
    'an encoding',
    ({ response, text }) => send(response, 200, text, { 'content-encoding': 'gzip' }),
  ],
]
