/**
 * The input of a batch on this machine: looked through line by line before anything is sent, and
 * sent as it lies on the disk. What only the server knows, such as models, is left to it.
 */
import { createReadStream, type Stats, statSync } from 'node:fs'
import { basename } from 'node:path'
import { GristmillError, type Limits } from '../base/index.ts'
import type { FileLine } from '../batch/index.ts'
import type { AdminClient } from './client.ts'
import { unreadable } from './named-file.ts'

type BatchRoom = typeof import('../batch/index.ts')
type Endpoint = BatchRoom['batchEndpoints'][number]

export interface CheckedFile {
  path: string
  bytes: number
  lines: number
  endpoint: Endpoint
}

const PROBLEMS_MAX = 20

export interface CheckOptions {
  /** What all lines must name; where undefined, what the first one names. */
  endpoint: string | undefined
  /** What a line may be. */
  limits: Pick<Limits, 'bodyBytesMax' | 'bodyPartsMax'>
  /** Told of every bad line, at most 20. */
  onProblem(line: number, problem: string): void
}

/**
 * Looks at every line: JSON of the right form, one endpoint, and a `custom_id` of its own.
 * @throws GristmillError `invalid_value` where the file cannot be read or a line is bad
 */
export async function checkFile(path: string, options: CheckOptions): Promise<CheckedFile> {
  const { size } = fileAt(path)
  const { limits } = options
  // Loaded here, since no other command needs that room.
  const batch = await import('../batch/index.ts')
  let endpoint = options.endpoint && knownEndpoint(batch, options.endpoint, '--endpoint')
  const places = new Map<string, number>()
  let lines = 0
  let bad = 0
  for await (const line of batch.splitLines(createReadStream(path), limits.bodyBytesMax)) {
    if (batch.isBlank(line)) continue
    lines += 1
    try {
      endpoint ||= endpointOf(batch, line)
      const { customId } = batch.readLine(line, endpoint, limits)
      const first = places.get(customId)
      if (first !== undefined) throw wrong('custom_id', `line ${first} has the same`)
      places.set(customId, line.number)
    } catch (error) {
      if (!(error instanceof GristmillError)) throw error
      options.onProblem(line.number, problemOf(error))
      if (++bad === PROBLEMS_MAX) break
    }
  }
  if (bad > 0) throw wrong(path, `${badLines(bad)}; nothing was sent`)
  if (lines === 0 || !endpoint) throw wrong(path, 'it has no lines')
  return { path, bytes: size, lines, endpoint }
}

/** No line of a file that was looked at begins so, since it would not be JSON. */
const BOUNDARY = 'gristmill-batch-lines'

/**
 * Sends a file that was looked at, as it lies on the disk and never as a whole in memory.
 * @returns identifier of the file at the server
 */
export async function uploadFile(
  client: AdminClient,
  { path, bytes }: Pick<CheckedFile, 'path' | 'bytes'>,
): Promise<string> {
  const name = basename(path).replace(/["\r\n]/g, encodeURIComponent)
  const head = Buffer.from(
    `--${BOUNDARY}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n` +
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\n` +
      'content-type: application/octet-stream\r\n\r\n',
  )
  const tail = Buffer.from(`\r\n--${BOUNDARY}--\r\n`)
  const form = async function* (): AsyncGenerator<Uint8Array> {
    yield head
    yield* createReadStream(path)
    yield tail
  }
  const sent = await client.upload<{ id: string }>('/v1/files', form(), {
    'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
    'content-length': String(head.length + bytes + tail.length),
  })
  return sent.id
}

function fileAt(path: string): Stats {
  try {
    const found = statSync(path)
    if (found.isFile()) return found
    throw wrong(path, 'it is not a file')
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

/** What the line names; any where it is no JSON, since it is refused for that. */
function endpointOf(batch: BatchRoom, line: FileLine): Endpoint {
  const [any] = batch.batchEndpoints
  let fields: { url?: unknown } | null
  try {
    fields = JSON.parse(line.text ?? '')
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return any
  }
  return knownEndpoint(batch, String(fields?.url), 'url')
}

function knownEndpoint({ batchEndpoints }: BatchRoom, named: string, param: string): Endpoint {
  const found = batchEndpoints.find((endpoint) => endpoint === named)
  if (found !== undefined) return found
  throw wrong(param, `one of ${batchEndpoints.join(', ')} is needed`)
}

function problemOf(error: GristmillError): string {
  if (error.code !== 'invalid_json') return error.message
  return `It is not a line of JSON: ${error.details.reason}.`
}

const badLines = (bad: number) =>
  bad === PROBLEMS_MAX
    ? `${bad} lines are bad, the rest was not looked at`
    : bad === 1
      ? 'a line is bad'
      : `${bad} lines are bad`

const wrong = (param: string, reason: string) =>
  new GristmillError('invalid_value', { param, reason })
