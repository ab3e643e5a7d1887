/**
 * Which numbered slot of an engine a request goes to, where each slot keeps the prompt that it read
 * last: one whose prompt begins alike and is of the same tenant, else the one that was not used for
 * longest. What another tenant left in a slot is never used. Pure.
 */
import type { TicketRequest } from './types.ts'
import type { Beginning } from './warm-prefixes.ts'

export interface PromptSlot {
  /** From 0. */
  number: number
  /** True where what it has read may be used, since it is of the same tenant. */
  keeps: boolean
}

type Asking = Pick<TicketRequest, 'tenantId' | 'beginnings' | 'spreads'>

interface Slot extends PromptSlot {
  /** Whose prompt is in it; undefined where that is not certain. */
  tenantId: string | undefined
  beginnings: readonly Beginning[]
  taken: Asking | undefined
  /** True while nobody can have used it but who has taken it. */
  isSure: boolean
}

export class PromptSlots {
  /** Least recently given back first. */
  readonly #slots: Slot[]
  /** Requests that run in slots which the engine has chosen. */
  #loose: number
  /** Requests that may run of which nobody tells. */
  #held = 0

  /** @param running requests that were sent there without a slot and have not ended */
  constructor(count: number, running: number) {
    this.#slots = Array.from({ length: count }, (_, number) => ({
      ...{ number, keeps: false, tenantId: undefined, beginnings: [] },
      ...{ taken: undefined, isSure: false },
    }))
    this.#loose = running
  }

  get count(): number {
    return this.#slots.length
  }

  /**
   * @returns undefined where the engine has to choose: for a request that may use several, and
   * while such a one runs, whose slots nobody knows
   */
  take(asking: Asking): PromptSlot | undefined {
    const isLoose = asking.spreads === true || this.#loose + this.#held > 0
    const slot = isLoose ? undefined : this.#best(asking)
    if (slot === undefined) {
      this.#loose++
      this.#forget()
      return undefined
    }
    slot.isSure = true
    slot.keeps = slot.tenantId === asking.tenantId
    slot.taken = asking
    return { number: slot.number, keeps: slot.keeps }
  }

  /**
   * A request has ended.
   * @param slot that it had; undefined where the engine had chosen
   * @param wasRead true where its prompt was read to the end, and so is in the slot
   */
  give(slot: PromptSlot | undefined, wasRead: boolean): void {
    if (slot === undefined) {
      this.#loose = Math.max(0, this.#loose - 1)
      return
    }
    const at = this.#slots.findIndex(({ number }) => number === slot.number)
    const [given] = this.#slots.splice(at, 1) as [Slot]
    this.#slots.push(given)
    const { taken } = given
    given.taken = undefined
    if (taken === undefined || !given.isSure) forget(given)
    else if (wasRead) {
      given.tenantId = taken.tenantId
      given.beginnings = taken.beginnings ?? []
    } else if (!given.keeps) forget(given)
  }

  /** So many requests may run of which nobody tells. */
  hold(requests: number): void {
    this.#held = requests
    if (requests > 0) this.#forget()
  }

  #forget(): void {
    for (const slot of this.#slots) forget(slot)
  }

  /** Of equals the first one, which has rested longest. */
  #best(asking: Asking): Slot | undefined {
    let best: Slot | undefined
    let bestWorth = Number.NEGATIVE_INFINITY
    for (const slot of this.#slots) {
      if (slot.taken !== undefined) continue
      const worth = worthOf(slot, asking)
      if (worth > bestWorth) [best, bestWorth] = [slot, worth]
    }
    return best
  }
}

/** Tokens that need not be read; a short prompt of the same tenant counts for a little. */
function worthOf({ tenantId, beginnings }: Slot, asking: Asking): number {
  if (tenantId !== asking.tenantId) return 0
  const common = tokensInCommon(beginnings, asking.beginnings ?? [])
  if (common > 0) return common
  return beginnings.length === 0 ? 1 : 0
}

function tokensInCommon(some: readonly Beginning[], others: readonly Beginning[]): number {
  let tokens = 0
  for (const [i, { key, tokens: upTo }] of some.entries()) {
    if (others[i]?.key !== key) break
    tokens = upTo
  }
  return tokens
}

function forget(slot: Slot): void {
  slot.tenantId = undefined
  slot.beginnings = []
  slot.isSure = false
}
