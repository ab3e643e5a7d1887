/**
 * Weighted fair queueing by levels: tenant → project → end user, the same rule at each.
 *
 * An `Account` carries the service somebody has received in one band of one pool, divided by their
 * weight. A `Place` is where an account waits in one tree (one tree per model and class); the
 * places of an account share its counter, so that asking for two models earns nothing extra.
 *
 * Source: virtual token counter with lift, Sheng et al., "Fairness in Serving Large Language
 * Models", arXiv 2401.00588, algorithm 2; applied at each level of the hierarchy.
 */
import { type Deadlined, DeadlineQueue } from './deadline-queue.ts'
import { Heap, type HeapMember } from './heap.ts'

/** A ticket as the tree sees it; inside the last level the earlier deadline goes first. */
export type Waiting = Deadlined

export class Account<Item extends Waiting> {
  readonly key: string
  readonly parent: Account<Item> | undefined
  weight: number
  /** Service received ÷ weight, lifted so that idle time earns no credit. */
  counter = 0
  inFlight = 0
  readonly children = new Map<string, Account<Item>>()
  readonly places: Place<Item>[] = []
  /** The child that stopped waiting last; its counter is the time of an empty queue. */
  lastLeft: Account<Item> | undefined
  /** Asked for last: most accounts have one child, or one that asks again and again. */
  #lastChild: Account<Item> | undefined
  #sweepAt = 1024

  constructor(key: string, weight: number, parent: Account<Item> | undefined) {
    this.key = key
    this.weight = weight
    this.parent = parent
  }

  child(key: string, weight: number): Account<Item> {
    const last = this.#lastChild
    let child = last?.key === key ? last : this.children.get(key)
    if (child === undefined) {
      if (this.children.size >= this.#sweepAt) this.#sweep()
      child = new Account<Item>(key, weight, this)
      this.children.set(key, child)
    }
    child.weight = weight
    this.#lastChild = child
    return child
  }

  get isWaiting(): boolean {
    for (const place of this.places) if (place.index >= 0) return true
    return false
  }

  /** Smallest counter among the children that wait and can be served. */
  leastWaiting(): number {
    let least = Number.POSITIVE_INFINITY
    for (const place of this.places) {
      if (!place.tree.servable) continue
      const first = place.children.peek()
      if (first !== undefined && first.account.counter < least) least = first.account.counter
    }
    return least
  }

  /**
   * Adds service to this account and those above it; negative units correct an estimate. Heaps
   * find out by themselves what has risen when it comes to their head.
   */
  charge(units: number): void {
    for (let account: Account<Item> = this; account.parent; account = account.parent) {
      account.counter += units / account.weight
      if (units >= 0) continue
      for (const place of account.places) {
        if (place.index >= 0) place.parent?.children.update(place, account.counter)
      }
    }
  }

  #isIdle(): boolean {
    if (this.inFlight > 0 || this.children.size > 0) return false
    return this.places.every((place) => place.waiting === 0)
  }

  /** Forgets idle children whose return would be lifted above their old counter anyway. */
  #sweep(): void {
    const least = this.leastWaiting()
    this.#lastChild = undefined
    const floor = Number.isFinite(least) ? least : (this.lastLeft?.counter ?? 0)
    for (const [key, child] of this.children) {
      if (child.#isIdle() && child.counter <= floor) this.children.delete(key)
    }
    this.#sweepAt = Math.max(1024, 2 * this.children.size)
  }
}

const olderFirst = (a: { order: number }, b: { order: number }) => a.order < b.order
const counterOf = (place: { account: { counter: number } }) => place.account.counter

/** Where an account waits in one tree. It is in its parent's heap while it can be served. */
export class Place<Item extends Waiting> implements HeapMember {
  index = -1
  readonly tree: ShareTree<Item>
  readonly account: Account<Item>
  readonly parent: Place<Item> | undefined
  readonly order: number
  /** Places of the level below that can be served, by the counter of their account. */
  readonly children: Heap<Place<Item>> = new Heap<Place<Item>>(olderFirst, counterOf)
  /** Waiting tickets by deadline; only at the last level. */
  readonly items = new DeadlineQueue<Item>()
  /** Tickets waiting at or below this place, parked ones included. */
  waiting = 0
  /** True while a concurrency limit keeps it from being served. */
  parked = false

  constructor(
    tree: ShareTree<Item>,
    account: Account<Item>,
    parent: Place<Item> | undefined,
    order: number,
  ) {
    this.tree = tree
    this.account = account
    this.parent = parent
    this.order = order
  }

  /** Makes the place eligible, lifting counters of accounts that were not waiting. */
  activate(): void {
    if (this.index >= 0 || this.parked || this.parent === undefined) return
    if (this.items.size === 0 && this.children.size === 0) return
    lift(this.account)
    this.parent.children.push(this, this.account.counter)
    this.parent.activate()
  }

  /** Takes the place out of selection; its tickets stay. */
  deactivate(): void {
    if (this.index < 0 || this.parent === undefined) return
    this.parent.children.remove(this)
    const above = this.account.parent
    if (above !== undefined && !this.account.isWaiting) above.lastLeft = this.account
    if (this.parent.children.size === 0) this.parent.deactivate()
  }
}

/** An account that starts to wait gets no credit for the time in which it asked for nothing. */
function lift<Item extends Waiting>(account: Account<Item>): void {
  const parent = account.parent
  if (parent === undefined || account.isWaiting) return
  const least = parent.leastWaiting()
  const time = Number.isFinite(least) ? least : (parent.lastLeft?.counter ?? 0)
  if (account.counter < time) account.counter = time
}

export class ShareTree<Item extends Waiting> {
  readonly model: string
  readonly root: Place<Item>
  /** False while no engine serves the model; such queues do not set anybody's time. */
  servable = true
  #order = 0

  constructor(model: string, rootAccount: Account<Item>) {
    this.model = model
    this.root = new Place<Item>(this, rootAccount, undefined, 0)
    rootAccount.places.push(this.root)
  }

  get waiting(): number {
    return this.root.waiting
  }

  /** Queues a ticket under an account of the last level. */
  add(item: Item, leaf: Account<Item>): Place<Item> {
    const place = this.#placeOf(leaf)
    place.items.push(item)
    for (let at: Place<Item> | undefined = place; at; at = at.parent) at.waiting++
    place.activate()
    return place
  }

  /** Takes a ticket out of the queue, whether it was served or gave up. */
  remove(item: Item, place: Place<Item>): void {
    place.items.remove(item)
    if (place.items.size === 0) place.deactivate()
    for (let at: Place<Item> | undefined = place; at; at = at.parent) at.waiting--
  }

  #placeOf(account: Account<Item>): Place<Item> {
    if (account.parent === undefined) return this.root
    for (const place of account.places) if (place.tree === this) return place
    const parent = this.#placeOf(account.parent)
    const place = new Place<Item>(this, account, parent, this.#order++)
    account.places.push(place)
    return place
  }
}
