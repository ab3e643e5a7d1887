/** The end of an answer before its engine is done, since what is set aside for it is used up. */
import { GristmillError } from '../base/index.ts'
import type { Hold } from '../meter/index.ts'
import type { CanonicalRequest } from './canonical.ts'
import { jsonOf } from './json-text.ts'
import type { LifeProgress } from './life-progress.ts'

/** `tick` comes every 100 ms, and an engine takes a moment to hear that it is enough. */
const AHEAD_MS = 200
const DONE = 'data: [DONE]\n\n'

/** True once no more time of an engine is set aside for a request. */
export function hasUsedUp(
  { engineMsMax }: Pick<Hold, 'engineMsMax'>,
  { dispatchedAtMs }: Pick<LifeProgress, 'dispatchedAtMs'>,
  nowMs: number,
): boolean {
  if (engineMsMax === null || dispatchedAtMs === undefined) return false
  return nowMs - dispatchedAtMs >= engineMsMax - AHEAD_MS
}

export function timeUsedUp({ engineMsMax }: Pick<Hold, 'engineMsMax'>): GristmillError {
  return new GristmillError('engine_time_used_up', { seconds: Number(engineMsMax) / 1000 })
}

/**
 * Ends every answer of a stream with finish reason `length`.
 * @param because why, beside it in `gristmill`
 */
export function lengthEnd(
  { endpoint, model, choices }: Pick<CanonicalRequest, 'endpoint' | 'model' | 'choices'>,
  requestId: string,
  atMs: number,
  because: string,
): Buffer {
  const isChat = endpoint === '/v1/chat/completions'
  const ends = Array.from({ length: choices }, (_, index) => {
    const nothing = isChat ? { delta: {} } : { text: '' }
    return { index, ...nothing, finish_reason: 'length' }
  })
  const event = {
    id: requestId,
    object: isChat ? 'chat.completion.chunk' : 'text_completion',
    created: Math.floor(atMs / 1000),
    model,
    choices: ends,
    gristmill: { ended_because: because },
  }
  return Buffer.from(`data: ${jsonOf(event)}\n\n${DONE}`)
}
