/** What a service says of texts: one POST, bounded in time, to where such a thing may go. */
import { z } from 'zod'
import type { Clock } from '../base/index.ts'
import { type OutboundAddresses, postOnce } from '../host/index.ts'
import type { GuardMoment, HttpGuard } from './types.ts'

const ANSWER_BYTES_MAX = 32 * 1024 * 1024

const verdict = z.discriminatedUnion('verdict', [
  z.object({ verdict: z.literal('pass') }),
  z.object({ verdict: z.literal('refuse') }),
  z.object({ verdict: z.literal('redact'), texts: z.array(z.string()) }),
])
export type Verdict = z.infer<typeof verdict>

/** What the service is told, beside the texts. */
export interface GuardedRequest {
  requestId: string
  tenant: string
  model: string
}

/**
 * @returns its verdict; redacted texts are as many as were sent
 * @throws Error where there is none: address not allowed, out of time, or no such answer
 */
export async function askService(
  guard: HttpGuard,
  request: GuardedRequest,
  texts: readonly string[],
  services: { addresses: OutboundAddresses; clock: Clock },
): Promise<Verdict> {
  const { name, when, url, timeoutMs } = guard
  const question: GuardedRequest & { guard: string; when: GuardMoment; texts: readonly string[] } =
    { guard: name, when, ...request, texts }
  const body = JSON.stringify(question)
  const post = { url, headers: {}, body, timeoutMs, answerBytesMax: ANSWER_BYTES_MAX }
  const answer = await postOnce(post, services.addresses, services.clock)
  if (answer.status !== 200) throw new Error(`it answered with ${answer.status}`)
  const read = verdict.safeParse(parsed(answer.body))
  if (!read.success) throw new Error('its answer holds no verdict')
  if (read.data.verdict === 'redact' && read.data.texts.length !== texts.length) {
    throw new Error('it answered with another number of texts')
  }
  return read.data
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error('its answer is not JSON', { cause })
  }
}
