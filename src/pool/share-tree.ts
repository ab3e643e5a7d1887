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
import { AccountRows } from './account-rows.ts'
import type { Deadlined, DeadlineQueues } from './deadline-queues.ts'
import { Heap, type HeapMember } from './heap.ts'
import { NONE } from './waiting-line.ts'

/** A ticket as the tree sees it; inside the last level the earlier deadline goes first. */
export type Waiting = Deadlined

/** Children of those who have none. */
const NOBODY: ReadonlyMap<string, never> = new Map<string, never>()

export class Account<Item extends Waiting> {
  readonly key: string
  readonly parent: Account<Item> | undefined
  /** Numbers of all accounts of the band, and where among them its own are. */
  readonly rows: AccountRows
  readonly row: number
  /** Made with the second child: most accounts have one, those of the last level none. */
  #children: Map<string, Account<Item>> | undefined
  /** One for each tree. Nearly always one: an array that grows keeps room for sixteen more. */
  places: readonly Place<Item>[] = []
  /** The child that stopped waiting last; its counter is the time of an empty queue. */
  lastLeft: Account<Item> | undefined
  /** Asked for last: most accounts have one child, or one that asks again and again. */
  #lastChild: Account<Item> | undefined
  #sweepAt = 1024

  constructor(key: string, weight: number, parent: Account<Item> | undefined) {
    this.key = key
    this.parent = parent
    this.rows = parent?.rows ?? new AccountRows()
    this.row = this.rows.add(weight, parent?.row)
  }

  /** Service received ÷ weight, lifted so that idle time earns no credit. */
  get counter(): number {
    return this.rows.counter(this.row)
  }

  set counter(counter: number) {
    this.rows.setCounter(this.row, counter)
  }

  get weight(): number {
    return this.rows.weight(this.row)
  }

  set weight(weight: number) {
    this.rows.setWeight(this.row, weight)
  }

  get inFlight(): number {
    return this.rows.inFlight(this.row)
  }

  child(key: string, weight: number): Account<Item> {
    const last = this.#lastChild
    const child = last?.key === key ? last : (this.#children?.get(key) ?? this.#add(key, weight))
    child.weight = weight
    this.#lastChild = child
    return child
  }

  /** By key, as they are now. */
  get children(): ReadonlyMap<string, Account<Item>> {
    const only = this.#lastChild
    return this.#children ?? (only === undefined ? NOBODY : new Map([[only.key, only]]))
  }

  #add(key: string, weight: number): Account<Item> {
    if (this.#children === undefined && this.#lastChild !== undefined) {
      this.#children = new Map(this.children)
    }
    const children = this.#children
    if (children !== undefined && children.size >= this.#sweepAt) this.#sweep(children)
    const child = new Account<Item>(key, weight, this)
    children?.set(key, child)
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
      const first = place.peek()
      if (first !== undefined && first.account.counter < least) least = first.account.counter
    }
    return least
  }

  /**
   * Adds service to this account and those above it; negative units correct an estimate. Heaps
   * find out by themselves what has risen when it comes to their head.
   */
  charge(units: number): void {
    this.rows.charge(this.row, units)
    if (units >= 0) return
    for (let account: Account<Item> = this; account.parent; account = account.parent) {
      for (const place of account.places) {
        if (place.index >= 0) place.parent?.update(place, account.counter)
      }
    }
  }

  #isIdle(): boolean {
    if (this.inFlight > 0 || this.children.size > 0) return false
    return this.places.every((place) => place.queued === 0)
  }

  /** Forgets idle children whose return would be lifted above their old counter anyway. */
  #sweep(children: Map<string, Account<Item>>): void {
    const least = this.leastWaiting()
    this.#lastChild = undefined
    const floor = Number.isFinite(least) ? least : (this.lastLeft?.counter ?? 0)
    for (const [key, child] of children) {
      if (child === this.lastLeft || !child.#isIdle() || child.counter > floor) continue
      children.delete(key)
      this.rows.drop(child.row)
      for (const place of child.places) place.forget()
    }
    this.#sweepAt = Math.max(1024, 2 * children.size)
  }
}

/**
 * Where an account waits in one tree. It is the heap of the places of the level below that can be
 * served, by the counter of their account, and in that of its parent while it can be served itself.
 */
export class Place<Item extends Waiting> extends Heap<Place<Item>> implements HeapMember {
  index = -1
  /**
   * The only queue below, as most tenants have: the way to it leads past the levels between. None
   * where there are more, or were.
   */
  onlyQueue = NONE
  #queuesBelow = 0
  readonly tree: ShareTree<Item>
  readonly account: Account<Item>
  readonly parent: Place<Item> | undefined
  readonly order: number
  readonly row: number
  /** Number of its waiting tickets' queue; only at the last level. */
  queue = NONE
  /** True while a concurrency limit keeps it from being served. */
  parked = false
  /** True once its account was swept: who comes again has another account and another place. */
  forgotten = false

  constructor(
    tree: ShareTree<Item>,
    account: Account<Item>,
    parent: Place<Item> | undefined,
    order: number,
  ) {
    super(account.rows)
    this.tree = tree
    this.account = account
    this.row = account.row
    this.parent = parent
    this.order = order
  }

  /** Tickets that wait here, at the last level. */
  get queued(): number {
    return this.queue === NONE ? 0 : this.tree.queues.size(this.queue)
  }

  /** Tickets at or below this place, parked ones included, counted until there are so many. */
  waitingUpTo(most: number): number {
    let waiting = this.queued
    for (const child of this.account.children.values()) {
      if (waiting >= most) break
      const below = child.places.find((place) => place.tree === this.tree)
      if (below !== undefined) waiting += below.waitingUpTo(most - waiting)
    }
    return Math.min(waiting, most)
  }

  /** Makes the place eligible, lifting counters of accounts that were not waiting. */
  activate(): void {
    if (this.index >= 0 || this.parked || this.parent === undefined) return
    if (this.size === 0 && this.queued === 0) return
    lift(this.account)
    this.parent.push(this, this.account.counter)
    this.parent.activate()
  }

  /** The queue of the last level; it is made where there is none. */
  ownQueue(): number {
    if (this.queue === NONE) {
      this.queue = this.tree.queues.add()
      for (let place: Place<Item> = this; place.parent; place = place.parent) {
        place.onlyQueue = place.#queuesBelow++ === 0 ? this.queue : NONE
      }
    }
    return this.queue
  }

  /** Its account was swept. */
  forget(): void {
    this.forgotten = true
    if (this.queue === NONE) return
    this.tree.queues.drop(this.queue)
    this.queue = NONE
    for (let place: Place<Item> = this; place.parent; place = place.parent) {
      place.#queuesBelow--
      place.onlyQueue = NONE
    }
  }

  /** The ticket that goes first: down the levels by smallest counter, then by deadline. */
  head(): Item | undefined {
    if (this.onlyQueue !== NONE) return this.tree.queues.peek(this.onlyQueue)
    return this.peek()?.head() ?? this.first()
  }

  /** The ticket that goes first of those that wait here, at the last level. */
  first(): Item | undefined {
    return this.queue === NONE ? undefined : this.tree.queues.peek(this.queue)
  }

  /** Takes the place out of selection; its tickets stay. */
  deactivate(): void {
    if (this.index < 0 || this.parent === undefined) return
    this.parent.remove(this)
    const above = this.account.parent
    if (above !== undefined && !this.account.isWaiting) above.lastLeft = this.account
    if (this.parent.size === 0) this.parent.deactivate()
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
  /** Those of the pool, where tickets of the tree wait. */
  readonly queues: DeadlineQueues<Item>
  #order = 0

  constructor(model: string, rootAccount: Account<Item>, queues: DeadlineQueues<Item>) {
    this.model = model
    this.queues = queues
    this.root = new Place<Item>(this, rootAccount, undefined, 0)
    rootAccount.places = [...rootAccount.places, this.root]
  }

  /** Where an account waits here; it is made where there is none. */
  placeOf(account: Account<Item>): Place<Item> {
    if (account.parent === undefined) return this.root
    for (const place of account.places) if (place.tree === this) return place
    const parent = this.placeOf(account.parent)
    const place = new Place<Item>(this, account, parent, this.#order++)
    account.places = [...account.places, place]
    return place
  }
}
