/**
 * Every SDK at the embedded engine, through the real program. What is found is compared with
 * `compatibility.json`, from which the table in docs/compatibility.md is made; with
 * `GRISTMILL_TEST_RECORD=1` it is written there instead.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import type { RequestView } from '../src/http/contract.ts'
import { agentsChat, agentsResponses } from './clients/agents.ts'
import { aiChat, aiMessages, aiResponses } from './clients/ai.ts'
import { anthropicMessages } from './clients/anthropic.ts'
import {
  answerShape,
  type Client,
  type Connection,
  fetchWith,
  toolShape,
} from './clients/client.ts'
import { langchainChat, langchainResponses } from './clients/langchain.ts'
import { openAiChat, openAiResponses } from './clients/openai.ts'
import { holdSlot, openAi, thrownBy, until } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

const clients = [
  openAiChat,
  openAiResponses,
  anthropicMessages,
  aiChat,
  aiResponses,
  aiMessages,
  agentsChat,
  agentsResponses,
  langchainChat,
  langchainResponses,
]

const isRecording = process.env.GRISTMILL_TEST_RECORD === '1'
const RECORD = new URL('compatibility.json', import.meta.url)

/** By engine, client and feature: `yes`, or what stood in the way. */
type Found = Record<string, Record<string, Record<string, string>>>

interface Place {
  server: TestServer
  model: string
  /** Of a tenant that may have one request running. */
  busyKey: string
}

/** Whichever bound of an answer a wire has. */
const bounded = (body: object, tokens: number) => {
  const bounds = Object.keys(body).filter((name) => /^max_.*tokens$/.test(name))
  return { ...body, ...Object.fromEntries(bounds.map((name) => [name, tokens])) }
}
/** The same answer each time, which comes to its end. */
const same = (body: object) => ({ ...bounded(body, 1000), seed: 1 })
/** One that goes on until it is stopped. */
const endless = (body: object) => ({ ...bounded(body, 1500), ignore_eos: true })

const connection = (
  { server, model }: Place,
  change: (body: object) => Record<string, unknown> = same,
  headers: Record<string, string> = {},
): Connection => ({ url: server.url, key: server.apiKey, model, fetch: fetchWith(change, headers) })

const never = new AbortController().signal

/** What each feature asks of a client. */
const features: Record<string, (client: Client, place: Place) => Promise<void>> = {
  async chat(client, place) {
    assert.notEqual((await client.ask(connection(place))).text, '')
  },
  async stream(client, place) {
    const pieces: string[] = []
    const to = connection(place)
    const { text } = await client.stream(to, never, (piece) => pieces.push(piece))
    assert.ok(pieces.length > 1, 'it came at once')
    assert.equal(pieces.join(''), text)
  },
  'tool required': (client, place) => callsTool(client, place, 'required'),
  'tool named': (client, place) => callsTool(client, place, 'named'),
  async 'structured output'(client, place) {
    answerShape.parse(await client.object(connection(place)))
  },
  async abort(client, place) {
    const abort = new AbortController()
    const to = connection(place, endless)
    await thrownBy(client.stream(to, abort.signal, () => abort.abort()))
    await until('the engine was stopped', async () => {
      const { rows } = await place.server.api<{ rows: RequestView[] }>('GET', '/api/requests')
      return rows[0]?.end === 'client_gone'
    })
  },
  async error(client, place) {
    const error = await thrownBy(client.ask({ ...connection(place), model: 'gpt-17' }))
    assert.equal(statusOf(error), 404, String(error))
  },
  async usage(client, place) {
    const whole = await client.ask(connection(place))
    assert.ok((whole.inputTokens ?? 0) > 0 && (whole.outputTokens ?? 0) > 0, 'whole')
    const streamed = await client.stream(connection(place), never, () => undefined)
    assert.deepEqual(
      [streamed.inputTokens, streamed.outputTokens],
      [whole.inputTokens, whole.outputTokens],
    )
  },
  async 'refused after waiting'(client, place) {
    const { server, model, busyKey: key } = place
    const held = await holdSlot(openAi(server, key), { model, n: 1, max_tokens: 1500 })
    const to = connection(place, same, { 'x-gristmill-max-wait-ms': '100' })
    const error = await thrownBy(client.ask({ ...to, key }))
    held.release()
    await held.ended
    assert.equal(statusOf(error), 504, String(error))
  },
}

const NOT_SENT = 'the client sends no `tool_choice`'

async function callsTool(client: Client, place: Place, choice: 'required' | 'named') {
  let isSent = false
  const to = connection(place, (body) => {
    isSent = 'tool_choice' in body
    return same(body)
  })
  const input = await client.call(to, choice)
  assert.ok(isSent, NOT_SENT)
  toolShape.parse(input)
}

/** The status that an application finds in what its SDK throws. */
function statusOf(error: unknown): number | undefined {
  const { status, statusCode, cause } = error as Record<string, unknown>
  if (typeof status === 'number') return status
  if (typeof statusCode === 'number') return statusCode
  return cause === undefined ? undefined : statusOf(cause)
}

async function outcomeOf(run: Promise<void>): Promise<string> {
  try {
    await run
    return 'yes'
  } catch (error) {
    return (
      String((error as Error).message)
        .split('\n')[0]
        ?.slice(0, 160) || 'no'
    )
  }
}

/** Asks all clients, one after the other. */
async function askAll(server: TestServer, model: string): Promise<Found[string]> {
  const found: Found[string] = {}
  const { key: busyKey } = await server.tenant('busy', { limits: { concurrencyMax: 1 } })
  for (const client of clients) {
    const outcomes: Record<string, string> = {}
    for (const [feature, holds] of Object.entries(features)) {
      outcomes[feature] = await outcomeOf(holds(client, { server, model, busyKey }))
    }
    found[client.name] = outcomes
  }
  return found
}

function compare(engine: string, found: Found[string]): void {
  const recorded = JSON.parse(readFileSync(RECORD, 'utf8')) as Found
  if (isRecording) {
    writeFileSync(RECORD, `${JSON.stringify({ ...recorded, [engine]: found }, null, 2)}\n`)
  } else assert.deepEqual(found, recorded[engine])
}

describe('every client at the embedded engine', () => {
  let server: TestServer
  before(async () => {
    server = await startServer()
  })
  after(async () => {
    await server.stop()
    removeHome(server.home)
  })

  it('does what the table says', async () => {
    const found = await askAll(server, 'toy')
    compare('embedded', found)
    const all = Object.values(found).flatMap((outcomes) => Object.values(outcomes))
    // LangChain 1.6.0 leaves `required` out on Responses.
    assert.deepEqual(
      all.filter((outcome) => outcome !== 'yes'),
      [NOT_SENT],
    )
  })
})
