/** Counts attempts at passwords and links per address and per account, and stops too many. */
import { isIPv6 } from 'node:net'
import { type Clock, GristmillError } from '../base/index.ts'

interface Attempts {
  count: number
  /** Monotonic milliseconds when the count starts over. */
  endsAtMs: number
}

const SPAN_MS = 15 * 60_000
const PER_ADDRESS_MAX = 30
const PER_ACCOUNT_MAX = 10
const REMEMBERED_MAX = 50_000

export class AttemptThrottle {
  readonly #clock: Clock
  readonly #attempts = new Map<string, Attempts>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Counts an attempt before it is made, so that many at once do not slip through; `forgive` takes
   * it back when it succeeds.
   * @param account email address or another name of what is tried, null where there is none
   * @throws GristmillError `too_many_attempts`
   */
  begin(address: string, account: string | null): void {
    const byAddress = this.#of(`address ${network(address)}`)
    const byAccount = account === null ? undefined : this.#of(`account ${account.toLowerCase()}`)
    this.#refuse(byAddress, PER_ADDRESS_MAX)
    if (byAccount) this.#refuse(byAccount, PER_ACCOUNT_MAX)
    byAddress.count++
    if (byAccount) byAccount.count++
  }

  /** The attempt succeeded: it does not count, and the account starts over. */
  forgive(address: string, account: string | null): void {
    const byAddress = this.#of(`address ${network(address)}`)
    byAddress.count = Math.max(0, byAddress.count - 1)
    if (account !== null) this.#attempts.delete(`account ${account.toLowerCase()}`)
  }

  #of(key: string): Attempts {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#attempts.get(key)
    if (known && nowMs < known.endsAtMs) return known
    const fresh = { count: 0, endsAtMs: nowMs + SPAN_MS }
    this.#attempts.delete(key)
    if (this.#attempts.size >= REMEMBERED_MAX) {
      const [oldest] = this.#attempts.keys()
      if (oldest !== undefined) this.#attempts.delete(oldest)
    }
    this.#attempts.set(key, fresh)
    return fresh
  }

  #refuse({ count, endsAtMs }: Attempts, max: number): void {
    if (count < max) return
    const retryAfterMs = Math.max(1, endsAtMs - this.#clock.monotonicMs())
    throw new GristmillError('too_many_attempts', {}, { retryAfterMs })
  }
}

/** One person has a whole /64 of IPv6 addresses, of which zeros may be left out. */
function network(address: string): string {
  if (!isIPv6(address)) return address
  const [before = '', after] = address.split('::')
  const groups = (text = '') => text.split(':').filter(Boolean)
  const left = after === undefined ? 0 : 8 - groups(before).length - groups(after).length
  const all = [...groups(before), ...Array<string>(left).fill('0'), ...groups(after)]
  return all.slice(0, 4).join(':')
}
