/** Fetching one large file over HTTP: resumed where it stopped, given up when nothing comes. */
import { createWriteStream, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { EnvHttpProxyAgent, fetch, type Response } from 'undici'
import type { Clock, Timer } from '../base/index.ts'
import type { HubFile } from './model-catalog.ts'

export interface Progress {
  /** Where the bytes come from, in words. */
  source: string
  receivedBytes: number
  totalBytes: number | undefined
}

export interface DownloadOptions {
  clock: Clock
  /** Base address of the hub, without a slash at the end. */
  hubUrl: string
  /** For private repositories; sent to the hub only, not to where it redirects. */
  hubToken: string | undefined
  onProgress: ((progress: Progress) => void) | undefined
}

/** An unreachable host must not hold up a start for long. */
const ANSWER_MS_MAX = 5000
const SILENCE_MS_MAX = 30_000
const REDIRECTS_MAX = 5

/**
 * Downloads a file of the hub to `target`, by way of `target.part`, which a later call continues.
 * @returns the SHA-256 that the hub states, if it does; checking it is up to the caller
 * @throws Error whose message is the reason, for people
 */
export async function downloadFromHub(
  file: HubFile,
  target: string,
  options: DownloadOptions,
): Promise<string | undefined> {
  const path = file.path.split('/').map(encodeURIComponent).join('/')
  const address = `${options.hubUrl}/${file.repository}/resolve/${file.revision}/${path}`
  const sha256 = await fetchInto(address, `${target}.part`, options)
  renameSync(`${target}.part`, target)
  return sha256
}

/** @returns the SHA-256 that is stated on the way, if one is */
async function fetchInto(
  address: string,
  part: string,
  options: DownloadOptions,
): Promise<string | undefined> {
  const have = statSync(part, { throwIfNoEntry: false })?.size ?? 0
  const range: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {}
  const { response, sha256 } = await follow(address, range, options)
  // Asked to go on behind the end: the part was complete, or is of another file.
  if (response.status === 416) {
    await response.body?.cancel()
    if (response.headers.get('content-range') === `bytes */${have}`) return sha256
    rmSync(part)
    return fetchInto(address, part, options)
  }
  const resumed = response.status === 206
  const start = resumed ? have : 0
  const rest = Number(response.headers.get('content-length') ?? Number.NaN)
  const totalBytes = Number.isNaN(rest) ? undefined : start + rest
  const source = new URL(options.hubUrl).host
  if (!response.body) throw new Error('the answer has no body')
  const watch = watchSilence(options.clock)
  let receivedBytes = start
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      watch.heard()
      receivedBytes += chunk.length
      options.onProgress?.({ source, receivedBytes, totalBytes })
      done(null, chunk)
    },
  })
  try {
    const sink = createWriteStream(part, { flags: resumed ? 'a' : 'w' })
    await pipeline(Readable.fromWeb(response.body), count, sink, { signal: watch.signal })
  } catch (error) {
    throw new Error(watch.signal.aborted ? 'nothing came for 30 s' : reasonOf(error))
  } finally {
    watch.end()
  }
  if (totalBytes !== undefined && receivedBytes !== totalBytes) {
    throw new Error(`only ${receivedBytes} of ${totalBytes} bytes came`)
  }
  return sha256
}

/** The answer behind redirects: from a mirror to the hub, to a new name there, to its storage. */
async function follow(
  first: string,
  range: Record<string, string>,
  options: DownloadOptions,
): Promise<{ response: Response; sha256: string | undefined }> {
  const { hubUrl, hubToken } = options
  let address = new URL(first)
  let sha256: string | undefined
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    // The storage behind the hub is another site, which must not get the token.
    const isHub = address.origin === new URL(hubUrl).origin
    const token = isHub && hubToken ? { authorization: `Bearer ${hubToken}` } : {}
    const response = await ask(address.href, { ...range, ...token }, options)
    const own = redirects === 0 ? response.headers.get('etag') : null
    sha256 ??= /[0-9a-f]{64}/.exec(response.headers.get('x-linked-etag') ?? own ?? '')?.[0]
    const location = response.headers.get('location')
    if (location === null) return { response, sha256 }
    await response.body?.cancel()
    address = new URL(location, address)
  }
  throw new Error(`${address.host} redirects more than ${REDIRECTS_MAX} times`)
}

/** One GET that does not follow redirects; statuses other than success and redirect are errors. */
async function ask(
  address: string,
  headers: Record<string, string>,
  { clock }: DownloadOptions,
): Promise<Response> {
  const host = new URL(address).host
  const late = new AbortController()
  const timer = clock.after(ANSWER_MS_MAX, () => late.abort())
  let response: Response
  try {
    response = await fetch(address, {
      headers: { 'user-agent': 'gristmill', 'accept-encoding': 'identity', ...headers },
      redirect: 'manual',
      signal: late.signal,
      // Honours HTTPS_PROXY and NO_PROXY, which companies set.
      dispatcher: new EnvHttpProxyAgent(),
    })
  } catch (error) {
    const reason = late.signal.aborted
      ? 'does not answer within 5 s'
      : `cannot be reached (${reasonOf(error)})`
    throw new Error(`${host} ${reason}`)
  } finally {
    timer.cancel()
  }
  if (response.status < 400 || response.status === 416) return response
  await response.body?.cancel()
  throw new Error(
    `${host} answers with status ${response.status} for ${dirname(new URL(address).pathname)}`,
  )
}

function watchSilence(clock: Clock) {
  const controller = new AbortController()
  let timer: Timer
  const heard = () => {
    timer?.cancel()
    timer = clock.after(SILENCE_MS_MAX, () => controller.abort())
  }
  heard()
  return { heard, signal: controller.signal, end: () => timer.cancel() }
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error
  const { code } = (cause ?? error) as { code?: string }
  return code ?? (cause instanceof Error ? cause.message : message)
}
