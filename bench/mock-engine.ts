/**
 * An engine that costs almost nothing, as a process of its own: answers chat requests with a JSON
 * body of 1 kB, or with streams of as many evenly paced chunks as `max_tokens` says. Prints
 * `{url}` when it listens.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    cap: { type: 'string', default: '64' },
    model: { type: 'string', default: 'mock' },
    bytes: { type: 'string', default: '1023' },
    'chunk-ms': { type: 'string', default: '5' },
    port: { type: 'string', default: '0' },
  },
})
const cap = Number(values.cap)
const model = values.model
const head = { id: 'chatcmpl-mock', created: 1_700_000_000, model }
const usageOf = (tokens: number) => ({
  prompt_tokens: 200,
  completion_tokens: tokens,
  total_tokens: 200 + tokens,
  prompt_tokens_details: { cached_tokens: 0 },
})

const answerOf = (content: string) =>
  JSON.stringify({
    ...head,
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: usageOf(150),
  })
const answer = Buffer.from(
  answerOf('x'.repeat(Math.max(1, Number(values.bytes) - answerOf('').length))),
)

const frame = (fields: object) =>
  `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...fields })}\n\n`
const chunk = (delta: object, finish: string | null = null) =>
  frame({ choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], usage: null })
const first = Buffer.from(chunk({ role: 'assistant', content: '' }))
const middle = Buffer.from(chunk({ content: ' word' }))
const last = Buffer.from(chunk({}, 'stop'))
const done = 'data: [DONE]\n\n'

const models = JSON.stringify({
  object: 'list',
  data: [
    {
      id: model,
      object: 'model',
      created: 0,
      owned_by: 'gristmill',
      max_model_len: 8192,
      meta: { cap, express: 0, slots: cap },
    },
  ],
})

interface Stream {
  response: ServerResponse
  left: number
  tokens: number
}

const streams = new Set<Stream>()
let served = 0

setInterval(() => {
  for (const stream of streams) {
    if (stream.left-- > 0) stream.response.write(middle)
    else {
      streams.delete(stream)
      const usage = frame({ choices: [], usage: usageOf(stream.tokens) })
      stream.response.end(`${last.toString()}${usage}${done}`)
    }
  }
}, Number(values['chunk-ms']))

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    const isCount = request.url === '/served'
    const isModels = request.url === '/v1/models'
    response.writeHead(isCount || isModels ? 200 : 404, { 'content-type': 'application/json' })
    response.end(isCount ? JSON.stringify({ served }) : isModels ? models : '{}')
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (bytes: Buffer) => chunks.push(bytes))
  request.on('end', () => {
    served++
    const text = chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString()
    if (!/"stream": ?true/.test(text)) {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': answer.length,
      })
      response.end(answer)
      return
    }
    const tokens = Number(/"max_tokens": ?(\d+)/.exec(text)?.[1] ?? 64)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(first)
    const stream = { response, left: tokens, tokens }
    streams.add(stream)
    response.on('close', () => streams.delete(stream))
  })
})
server.keepAliveTimeout = 65_000
server.listen(Number(values.port), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`)
})
