/** For tests: an engine over a toy model in this process, and short ways to ask it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, systemClock, systemRandom } from '../base/index.ts'
import { runEngine } from './main.ts'
import type { EngineOptions } from './options.ts'
import { writeToyModel } from './toy-model.ts'

export interface ToyAnswer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests read many shapes of JSON
  body: any
}

export interface ToyEngine {
  url: string
  ready: Record<string, unknown>
  post(path: string, body: object, headers?: Record<string, string>): Promise<ToyAnswer>
  get(path: string): Promise<ToyAnswer>
  /** Parsed events of a stream, without the closing `[DONE]`. */
  stream(path: string, body: object, options?: StreamOptions): Promise<ToyAnswer['body'][]>
  stop(): Promise<void>
}

export interface StreamOptions {
  headers?: Record<string, string>
  signal?: AbortSignal
  onEvent?(event: ToyAnswer['body']): void
}

/** Starts one; `kind` as for `writeToyModel`. */
export async function startToyEngine(
  kind: 'markov' | 'random',
  options: Partial<EngineOptions> = {},
): Promise<ToyEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'toy-engine-'))
  const model = join(folder, 'toy.gguf')
  await writeToyModel(model, { kind, seed: 1, contextTokens: 2048 })
  const engine = await runEngine(
    { model, cap: 4, express: 0, spare: 0, threads: 1, 'sweep-ms': 0, ...options },
    { clock: systemClock, random: systemRandom, logger: createLogger('error', 'engine') },
  )
  const { url, ready } = engine
  const json = { 'content-type': 'application/json' }
  const answer = async (response: Response): Promise<ToyAnswer> => {
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    const { status, headers } = response
    return { status, headers, body: isJson ? JSON.parse(text) : text }
  }
  return {
    url,
    ready,
    get: async (path) => answer(await fetch(url + path)),
    post: async (path, body, headers) =>
      answer(
        await fetch(url + path, {
          method: 'POST',
          headers: { ...json, ...headers },
          body: JSON.stringify(body),
        }),
      ),
    async stream(path, body, { headers, signal, onEvent } = {}) {
      const init: RequestInit = {
        method: 'POST',
        headers: { ...json, ...headers },
        body: JSON.stringify({ ...body, stream: true }),
      }
      if (signal) init.signal = signal
      return readEvents(await fetch(url + path, init), onEvent)
    },
    async stop() {
      await engine.close(0)
      await rm(folder, { recursive: true })
    },
  }
}

async function readEvents(
  response: Response,
  onEvent: StreamOptions['onEvent'],
): Promise<ToyAnswer['body'][]> {
  const events: ToyAnswer['body'][] = []
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  for await (const bytes of response.body ?? []) {
    // Fatal and without `stream`: a write that splits a character fails the test.
    const frames = (rest + decoder.decode(bytes)).split('\n\n')
    rest = frames.pop() ?? ''
    for (const frame of frames) {
      const data = frame.replace(/^data: /, '')
      if (data === '[DONE]') continue
      events.push(JSON.parse(data))
      onEvent?.(events.at(-1))
    }
  }
  return events
}

/** The text that a stream's events add up to. */
export const textOf = (events: ToyAnswer['body'][], choice = 0): string =>
  events
    .flatMap((event) => event.choices ?? [])
    .filter((part) => part.index === choice)
    .map((part) => part.delta?.content ?? part.text ?? '')
    .join('')

export const user = (content: string) => ({ messages: [{ role: 'user', content }] })
