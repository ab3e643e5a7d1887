/** Guards on the way in: before anything is queued or booked. */
import { checkTexts, type GuardRun, type GuardSet } from '../../guard/index.ts'
import type { CanonicalRequest } from '../canonical.ts'
import { textsOfRequest, withTexts } from './texts.ts'

/** The guards that a request meets, and what they have made of it. */
export interface Guarding {
  set: GuardSet
  run: GuardRun
}

/**
 * The request as it may go on; a promise only where a service is asked. It has no words of its
 * own wire any more, since guards see what it was translated into.
 * @throws GristmillError `guard_refused`, `guard_unavailable`, or what keeps guards from reading;
 *   also as a rejection
 */
export function guardedRequest(
  request: CanonicalRequest,
  { set, run }: Guarding,
): CanonicalRequest | Promise<CanonicalRequest> {
  if (request.ownWords?.untranslatable !== undefined) throw request.ownWords.untranslatable
  const plain = request.ownWords === undefined ? request : { ...request, ownWords: undefined }
  if (set.before.length === 0) return plain
  const texts = textsOfRequest(plain)
  const goOn = (left: readonly string[]) =>
    left.every((text, index) => text === texts[index]) ? plain : withTexts(plain, left)
  const left = checkTexts(set.before, texts, run)
  return left instanceof Promise ? left.then(goOn) : goOn(left)
}
