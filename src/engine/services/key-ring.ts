/**
 * The keys of one rented service: used in turn, and one that was refused or has used up its rate
 * rests. No I/O, no clock.
 */
import { LIMITED_MS, type RateReport } from './rate-limits.ts'

export interface ServiceKey {
  id: string
  secret: string
}

/** Why a key is not used at the moment. */
export type KeyRest = 'refused' | 'limited'

interface Place extends ServiceKey {
  restsUntilMs: number
  rest: KeyRest | null
}

/** A refused key is tried again after so long: somebody may have mended it there. */
const REFUSED_MS = 300_000

export class KeyRing {
  #places: Place[] = []
  #next = 0

  constructor(keys: readonly ServiceKey[]) {
    this.set(keys)
  }

  /** Takes other keys from now on; those that stay keep their rest. */
  set(keys: readonly ServiceKey[]): void {
    this.#places = keys.map((key) => {
      const known = this.#places.find(({ id, secret }) => id === key.id && secret === key.secret)
      return known ?? { ...key, restsUntilMs: 0, rest: null }
    })
  }

  get ids(): string[] {
    return this.#places.map(({ id }) => id)
  }

  /** The next key in turn that does not rest, or the one that rests least longer. */
  take(nowMs: number): ServiceKey | undefined {
    const { length } = this.#places
    let best: Place | undefined
    for (let i = 0; i < length; i++) {
      const at = (this.#next + i) % length
      const place = this.#places[at]
      if (place === undefined) continue
      if (place.restsUntilMs <= nowMs) {
        this.#next = at + 1
        return place
      }
      if (best === undefined || place.restsUntilMs < best.restsUntilMs) best = place
    }
    return best
  }

  /** True where another key than this one could be used. */
  hasOther(keyId: string, nowMs: number): boolean {
    return this.#places.some(({ id, restsUntilMs }) => id !== keyId && restsUntilMs <= nowMs)
  }

  /**
   * Notes what a service answered with a key.
   * @param report what it said about its limits; null where it said nothing
   */
  answered(keyId: string, status: number, report: RateReport | null, nowMs: number): void {
    const place = this.#places.find(({ id }) => id === keyId)
    if (place === undefined) return
    if (status === 401 || status === 403) rest(place, 'refused', nowMs + REFUSED_MS)
    else if (status === 429) {
      limit(place, nowMs + (report?.retryAfterMs ?? LIMITED_MS))
    } else if (report?.requests?.remaining === 0) {
      // One more may be sent when a part of the limit is there again.
      limit(place, nowMs + report.requests.fullInMs / report.requests.limit)
    } else if (status < 300 && place.rest === 'refused') rest(place, null, 0)
  }

  /** Why a key rests, or null where it is used. */
  restOf(keyId: string, nowMs: number): KeyRest | null {
    const place = this.#places.find(({ id }) => id === keyId)
    return place !== undefined && place.restsUntilMs > nowMs ? place.rest : null
  }
}

/** Answers to what was sent before may come later and say less; the longest rest counts. */
function limit(place: Place, untilMs: number): void {
  const knownMs = place.rest === 'limited' ? place.restsUntilMs : 0
  rest(place, 'limited', Math.max(untilMs, knownMs))
}

function rest(place: Place, why: KeyRest | null, untilMs: number): void {
  place.rest = why
  place.restsUntilMs = untilMs
}
