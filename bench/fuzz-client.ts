/** Sends one hostile request and judges what comes back: clean, or why not. */
import { type Agent, request as send } from 'node:http'
import { errorTable } from '../src/base/index.ts'
import type { FuzzRequest } from './fuzz-bodies.ts'

/** Longest wait for an end; everything a run does is over long before. */
const HANG_MS = 30_000
const LEAVE_MS = 20
const ANY_MARK = /mark-\w+-[0-9a-f]{16}/g

export interface FuzzOutcome {
  /** null where the caller left before an answer. */
  status: number | null
  /** What is wrong with the answer; null where it is clean. */
  problem: string | null
  /** The last of what came. */
  end: string
}

interface Answer {
  status: number
  type: string
  text: string
  wasCut: boolean
}

export async function fuzzOnce(
  url: string,
  key: string,
  asked: FuzzRequest,
  agent: Agent,
): Promise<FuzzOutcome> {
  const answer = await answerTo(url, key, asked, agent)
  if (answer === null) return { status: null, problem: null, end: '' }
  if (typeof answer === 'string') return { status: null, problem: answer, end: '' }
  const { status, text } = answer
  return { status, problem: problemOf(asked, answer), end: text.slice(-300) }
}

/** @returns null where the caller left by plan, a problem where there was no answer */
function answerTo(
  url: string,
  key: string,
  asked: FuzzRequest,
  agent: Agent,
): Promise<Answer | null | string> {
  const { method, path, body, cutAt, leaves } = asked
  const headers = {
    authorization: `Bearer ${key}`,
    ...asked.headers,
    'content-length': String(body.length),
  }
  return new Promise((resolve) => {
    const outgoing = send(url, { method, path, headers, agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('close', () => {
        clearTimeout(hang)
        resolve({
          status: response.statusCode ?? 0,
          type: String(response.headers['content-type']),
          text: Buffer.concat(chunks).toString(),
          wasCut: !response.complete,
        })
      })
    })
    const isLeaving = cutAt !== null || leaves
    const hang = setTimeout(() => {
      resolve('it got no end')
      outgoing.destroy()
    }, HANG_MS)
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(hang)
      resolve(isLeaving ? null : `no answer: ${error.code ?? error.message}`)
    })
    outgoing.write(cutAt === null ? body : body.subarray(0, cutAt))
    if (cutAt === null) outgoing.end()
    if (!isLeaving) return
    setTimeout(() => {
      clearTimeout(hang)
      resolve(null)
      outgoing.destroy()
    }, LEAVE_MS)
  })
}

function problemOf(asked: FuzzRequest, answer: Answer): string | null {
  const { status, type, text, wasCut } = answer
  // Its own mark may have been changed on the way here.
  const foreign = (text.match(ANY_MARK) ?? []).find((mark) => !asked.body.includes(mark))
  if (foreign !== undefined) return 'it holds what somebody else has asked'
  if (wasCut) return `status ${status}: the answer broke off`
  if (asked.method === 'HEAD' || status === 204) return null
  if (status >= 400) return errorProblem(asked, status, text)
  return type.startsWith('text/event-stream')
    ? streamProblem(asked.door, text)
    : bodyProblem(asked.door, text)
}

const isAnthropic = ({ door, headers }: FuzzRequest) =>
  door.startsWith('/v1/messages') || headers['anthropic-version'] !== undefined

/** An error has the shape of its wire, and a code of the table unless it is an engine's own. */
function errorProblem(asked: FuzzRequest, status: number, text: string): string | null {
  const body = parsed(text)
  if (body === null) return `status ${status}: no JSON`
  const error = body.error as Record<string, unknown> | undefined
  if (typeof error?.message !== 'string') return `status ${status}: no message`
  const code =
    isAnthropic(asked) && body.type === 'error' ? detailsOf(error).error_code : error.code
  if (code === 'internal_error') return `status ${status}: an internal error`
  if (status >= 500 && !(typeof code === 'string' && code in errorTable)) {
    return `status ${status}: no code of ours`
  }
  return null
}

const detailsOf = (error: Record<string, unknown>) =>
  (error.details ?? {}) as Record<string, unknown>

/** A whole answer of a translated door has that wire's shape; others are the engine's. */
function bodyProblem(door: string, text: string): string | null {
  const body = parsed(text)
  if (door === '/v1/messages' && body?.type !== 'message') return 'the answer is no message'
  if (door === '/v1/responses' && body?.object !== 'response') return 'the answer is no response'
  return null
}

/** How a stream of each door may end. */
const ENDS: Record<string, readonly string[]> = {
  '/v1/messages': ['message_stop', 'error'],
  '/v1/responses': ['response.completed', 'response.incomplete', 'error'],
}

function streamProblem(door: string, text: string): string | null {
  const events = text
    .replaceAll('\r\n', '\n')
    .split('\n\n')
    .filter((event) => event !== '')
  const last = events.at(-1) ?? ''
  const ends = ENDS[door]
  if (ends === undefined) {
    return last === 'data: [DONE]' || last.startsWith('data: {"error"')
      ? null
      : 'the stream has no end'
  }
  for (const event of events) {
    if (event.startsWith(':')) continue
    const [, name, data] = /^event: ([\w.]+)\ndata: (.*)$/.exec(event) ?? []
    if (parsed(data ?? '')?.type !== name) return 'an event is not of this wire'
  }
  const [, name = ''] = /^event: ([\w.]+)/.exec(last) ?? []
  return ends.includes(name) ? null : 'the stream has no end'
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
