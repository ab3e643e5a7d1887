/** One POST to an address that somebody else has chosen: checked, bounded in time and in size. */
import { Agent, request } from 'undici'
import type { Clock } from '../base/index.ts'
import type { OutboundAddresses } from './outbound-addresses.ts'

const CONNECT_MS_MAX = 5000

export interface OutboundPost {
  url: string
  headers: Record<string, string>
  body: string | Uint8Array
  /** For everything, from the look-up of the name to the last byte. */
  timeoutMs: number
  answerBytesMax: number
}

/**
 * Sends it once; redirects are not followed.
 * @returns status and body; of a longer body nothing but its beginning
 * @throws Error where the address is not allowed, cannot be reached or is late
 */
export async function postOnce(
  { url: text, headers, body: sent, timeoutMs, answerBytesMax }: OutboundPost,
  addresses: OutboundAddresses,
  clock: Clock,
): Promise<{ status: number; body: string }> {
  const late = new AbortController()
  const timer = clock.after(timeoutMs, () => late.abort(new Error('it did not answer in time')))
  let agent: Agent | undefined
  try {
    const url = addresses.check(text)
    const timeout = Math.min(timeoutMs, CONNECT_MS_MAX)
    agent = new Agent({ connect: { lookup: addresses.lookupFor(url), timeout } })
    const { statusCode: status, body } = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'gristmill', ...headers },
      body: sent,
      dispatcher: agent,
      signal: late.signal,
    })
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > answerBytesMax) break
    }
    return { status, body: Buffer.concat(chunks).toString('utf8', 0, answerBytesMax) }
  } finally {
    timer.cancel()
    await agent?.destroy()
  }
}
