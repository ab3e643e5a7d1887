/**
 * What every SDK can do at an engine, asked through the real program. It is compared with
 * `compatibility.json`, from which the tables in docs/compatibility.md are made; with
 * `GRISTMILL_TEST_RECORD=1` it is written there instead.
 */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { eventually } from '../src/base/test-eventually.ts'
import type { RequestView } from '../src/http/contract.ts'
import { agentsChat, agentsResponses } from './clients/agents.ts'
import { aiChat, aiMessages, aiResponses } from './clients/ai.ts'
import { anthropicMessages } from './clients/anthropic.ts'
import {
  answerShape,
  type Client,
  type Connection,
  fetchWith,
  type Said,
  toolShape,
} from './clients/client.ts'
import { langchainChat, langchainResponses } from './clients/langchain.ts'
import { openAiChat, openAiResponses } from './clients/openai.ts'
import { holdSlot, openAi, thrownBy } from './sdk-clients.ts'
import type { TestServer } from './server.ts'

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

/** What an engine is asked for. */
export interface Asked {
  model: string
  /** Tokens at most of an answer in words, and of one whose shape ends it. */
  wordTokens: number
  shapeTokens: number
  /** Fields of the chat wire that make it give the same answer each time. */
  sampling: Record<string, unknown>
  /** Name of a tenant that it makes, where several engines stand behind one server. */
  busy?: string
}

/** By engine, client and feature: `yes`, or what stood in the way. */
type Found = Record<string, Record<string, Record<string, string>>>

/** Where clients ask, and what. */
interface Place extends Asked {
  server: TestServer
  /** Of a tenant that may have one request running. */
  busyKey: string
}

/** Whichever bound of an answer a wire has. */
const bounded = (body: object, tokens: number) => {
  const bounds = Object.keys(body).filter((name) => /^max_.*tokens$/.test(name))
  return { ...body, ...Object.fromEntries(bounds.map((name) => [name, tokens])) }
}
type Change = (body: object) => Record<string, unknown>

/** The same answer each time. */
const words =
  ({ wordTokens, sampling }: Asked): Change =>
  (body) => ({ ...bounded(body, wordTokens), ...sampling })
const shaped =
  ({ shapeTokens, sampling }: Asked): Change =>
  (body) => ({ ...bounded(body, shapeTokens), ...sampling })
/** One that goes on until it is stopped. */
const endless = (body: object) => ({ ...bounded(body, 3900), ignore_eos: true })

const connection = (
  place: Place,
  change: Change = words(place),
  headers: Record<string, string> = {},
): Connection => ({
  url: place.server.url,
  key: place.server.apiKey,
  model: place.model,
  fetch: fetchWith(change, headers),
})

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
    const answer = answerShape.safeParse(await client.object(connection(place, shaped(place))))
    assert.ok(answer.success, 'the answer does not keep to the schema')
  },
  async abort(client, place) {
    const abort = new AbortController()
    const to = connection(place, endless)
    await thrownBy(client.stream(to, abort.signal, () => abort.abort()))
    await eventually('the engine was stopped', async () => {
      const { rows } = await place.server.api<{ rows: RequestView[] }>('GET', '/api/requests')
      return rows[0]?.end === 'client_gone'
    })
  },
  async error(client, place) {
    const error = await thrownBy(client.ask({ ...connection(place), model: 'gpt-17' }))
    assert.equal(statusOf(error), 404, String(error))
  },
  async usage(client, place) {
    await isOnLedger(place, await client.ask(connection(place)))
    await isOnLedger(place, await client.stream(connection(place), never, () => undefined))
  },
  async 'refused after waiting'(client, place) {
    const { server, model, busyKey: key } = place
    const hold = () => holdSlot(openAi(server, key), { model, n: 1, max_tokens: 3900 })
    // The others take the slot one after another, should a slow machine ask late.
    const holders = [await hold(), hold(), hold()]
    const to = connection(place, words(place), { 'x-gristmill-max-wait-ms': '100' })
    const error = await thrownBy(client.ask({ ...to, key }))
    // Whichever comes first: one that is waited for behind another waits for its whole answer.
    await Promise.all(
      holders.map(async (holder) => {
        const held = await holder
        held.release()
        await held.ended
      }),
    )
    assert.equal(statusOf(error), 504, String(error))
  },
}

export const NOT_SENT = 'the client sends no `tool_choice`'

/** What a client was told is what its tenant is charged with. */
async function isOnLedger({ server }: Place, { inputTokens, outputTokens }: Said): Promise<void> {
  assert.ok((inputTokens ?? 0) > 0 && (outputTokens ?? 0) > 0, 'no usage is told')
  await eventually('the ledger has the same usage', async () => {
    const { rows } = await server.api<{ rows: RequestView[] }>('GET', '/api/requests')
    const [row] = rows
    return row?.inputTokens === inputTokens && row?.outputTokens === outputTokens
  })
}

const NO_CALL = 'the answer has no call of the tool'

async function callsTool(client: Client, place: Place, choice: 'required' | 'named') {
  let isSent = false
  const to = connection(place, (body) => {
    isSent = 'tool_choice' in body
    return shaped(place)(body)
  })
  const input = await client.call(to, choice)
  assert.ok(isSent, NOT_SENT)
  assert.ok(input !== undefined, NO_CALL)
  assert.ok(toolShape.safeParse(input).success, 'the call does not keep to the schema of the tool')
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
export async function askAll(server: TestServer, asked: Asked): Promise<Found[string]> {
  const found: Found[string] = {}
  const { key: busyKey } = await server.tenant(asked.busy ?? 'busy', {
    limits: { concurrencyMax: 1 },
  })
  for (const client of clients) {
    const outcomes: Record<string, string> = {}
    for (const [feature, holds] of Object.entries(features)) {
      outcomes[feature] = await outcomeOf(holds(client, { ...asked, server, busyKey }))
    }
    found[client.name] = outcomes
  }
  return found
}

export function compare(engine: string, found: Found[string]): void {
  const recorded = JSON.parse(readFileSync(RECORD, 'utf8')) as Found
  if (isRecording) {
    writeFileSync(RECORD, `${JSON.stringify({ ...recorded, [engine]: found }, null, 2)}\n`)
  } else assert.deepEqual(found, recorded[engine])
}
