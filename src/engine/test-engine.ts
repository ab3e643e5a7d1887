/**
 * A scripted engine for tests: a real HTTP server that speaks the OpenAI wire and answers as the
 * test says. Never used by the program.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as the engine received it. */
export interface SeenRequest {
  path: string
  requestId: string
  body: Record<string, unknown>
  /** The body's text, byte by byte. */
  text: string
  request: IncomingMessage
  response: ServerResponse
  /** Resolves when the caller has gone before the answer was complete. */
  gone: Promise<void>
}

export interface TestEngine {
  url: string
  /** Requests to `/v1/…` with a body, oldest first. */
  seen: SeenRequest[]
  /** Answers every request from now on. */
  answer(run: (seen: SeenRequest) => void): void
  /** What `GET path` answers with, a string as plain text, a number as a status; else 404. */
  pages: Map<string, unknown>
  /** Connections made so far. */
  connections(): number
  close(): Promise<void>
}

export const usage = (input: number, output: number, cached = 0) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
  prompt_tokens_details: { cached_tokens: cached },
})

/** @param options `port` to take over the place of an engine that was closed, or beside another */
export async function startTestEngine(
  options: { port?: number; host?: string } = {},
): Promise<TestEngine> {
  const { host = '127.0.0.1' } = options
  const seen: SeenRequest[] = []
  let answer: (seen: SeenRequest) => void = (one) => answerChat(one, ['Hello', ' world'])
  let connections = 0
  const pages = new Map<string, unknown>([['/v1/models', gristmillModels('mill', 4, 1)]])
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    if (request.method === 'GET') {
      const page = pages.get(path)
      if (typeof page === 'string') response.end(page)
      else if (typeof page === 'number') sendJson(response, page, { error: { message: 'no' } })
      else sendJson(response, page === undefined ? 404 : 200, page ?? { error: { message: 'no' } })
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const gone = new Promise<void>((resolve) => {
        response.on('close', () => {
          if (!response.writableFinished) resolve()
        })
      })
      const requestId = String(request.headers['x-request-id'])
      const body = JSON.parse(text) as Record<string, unknown>
      const one = { path, requestId, body, text, request, response, gone }
      seen.push(one)
      answer(one)
    })
  })
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, host, resolve))
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    seen,
    pages,
    answer: (run) => {
      answer = run
    },
    connections: () => connections,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

export function gristmillModels(name: string, cap: number, express: number): object {
  const meta = { cap, express, slots: cap + express, calibration: null }
  return {
    object: 'list',
    data: [{ id: name, object: 'model', owned_by: 'gristmill', max_model_len: 2048, meta }],
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** Frames of a chat stream: role, one per part, finish, usage (where asked for), done. */
export function chatFrames(one: SeenRequest, parts: readonly string[], input = 7): string[] {
  const options = one.body.stream_options as { include_usage?: boolean } | undefined
  const frame = (fields: object) =>
    `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: one.body.model, ...fields })}\n\n`
  const chunk = (delta: object, finish: string | null = null) =>
    frame({ choices: [{ index: 0, delta, finish_reason: finish }] })
  return [
    chunk({ role: 'assistant', content: '' }),
    ...parts.map((content) => chunk({ content })),
    chunk({}, 'stop'),
    ...(options?.include_usage ? [frame({ choices: [], usage: usage(input, parts.length) })] : []),
    'data: [DONE]\n\n',
  ]
}

export function beginStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
}

/** Answers a chat request as a healthy engine does, streamed or whole. */
export function answerChat(one: SeenRequest, parts: readonly string[]): void {
  if (one.body.stream === true) {
    beginStream(one.response)
    for (const frame of chatFrames(one, parts)) one.response.write(frame)
    one.response.end()
    return
  }
  const message = { role: 'assistant', content: parts.join('') }
  sendJson(one.response, 200, {
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model: one.body.model,
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage: usage(7, parts.length, 3),
  })
}
