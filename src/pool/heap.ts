/**
 * A min-heap whose members know their place, so that any of them can move or leave, and whose keys
 * may rise without anybody telling it: the first member is looked at anew when it is asked for.
 *
 * Memory decides its speed. What moves are numbers in arrays of their own; members are read and
 * written only as they come and go. Each node has eight children, whose
 * keys fill one cache line. A heap of one member, as most are, needs no array at all.
 */

const CHILDREN = 8

export interface HeapMember {
  /** Its number in the heap, -1 outside it. Only the heap writes it. */
  index: number
  /** The smaller of two leaves first where keys are equal; it does not change inside a heap. */
  readonly order: number
  /** Where the key is kept, in a heap whose keys rise by themselves; it does not change either. */
  readonly row?: number
}

/** Where keys are kept that rise by themselves, so that nobody need be asked for his. */
export interface Keys {
  counter(row: number): number
}

export class Heap<Member extends HeapMember> {
  readonly #current: Keys | undefined
  /** The member of a heap that has never had two. */
  #only: Member | undefined
  #onlyKey = 0
  #rows: Rows<Member> | undefined

  /** @param current keys as they are, where they rise by themselves; `update` says which fall */
  constructor(current?: Keys) {
    this.#current = current
  }

  get size(): number {
    return this.#rows === undefined ? (this.#only === undefined ? 0 : 1) : this.#rows.keys.length
  }

  /** The member with the smallest key; what is found with an old one is put right first. */
  peek(): Member | undefined {
    const rows = this.#rows
    if (rows === undefined) return this.#only
    const current = this.#current
    for (;;) {
      const slot = rows.slots[0]
      if (slot === undefined) return undefined
      if (current === undefined) return rows.members[slot]
      const key = current.counter(rows.at[slot] as number)
      if (key === rows.keys[0]) return rows.members[slot]
      this.#sink(rows, 0, slot, key, rows.orders[0] as number)
    }
  }

  /**
   * The member at a position: the first is the smallest, the next eight are below it, and so on,
   * as far as keys have not risen meanwhile.
   */
  at(position: number): Member | undefined {
    const rows = this.#rows
    if (rows === undefined) return position === 0 ? this.#only : undefined
    const slot = rows.slots[position]
    return slot === undefined ? undefined : rows.members[slot]
  }

  /** All members, in no particular order. */
  *members(): IterableIterator<Member> {
    for (let i = 0; i < this.size; i++) yield this.at(i) as Member
  }

  push(member: Member, key: number): void {
    if (this.#rows === undefined) {
      if (this.#only === undefined) {
        this.#only = member
        this.#onlyKey = key
        member.index = 0
        return
      }
      const { index, order, row = 0 } = this.#only
      this.#rows = {
        members: [this.#only],
        at: [row],
        free: [],
        keys: [this.#onlyKey],
        orders: [order],
        slots: [index],
        positions: [0],
      }
      this.#only = undefined
    }
    const rows = this.#rows
    const slot = rows.free.pop() ?? rows.members.length
    rows.members[slot] = member
    rows.at[slot] = member.row ?? 0
    member.index = slot
    rows.keys.push(key)
    rows.slots.push(slot)
    rows.orders.push(member.order)
    this.#rise(rows, rows.keys.length - 1, slot, key, member.order)
  }

  remove(member: Member): void {
    const slot = member.index
    member.index = -1
    const rows = this.#rows
    if (rows === undefined) {
      this.#only = undefined
      return
    }
    const hole = rows.positions[slot] as number
    rows.members[slot] = undefined
    rows.free.push(slot)
    const key = rows.keys.pop() as number
    const last = rows.slots.pop() as number
    const order = rows.orders.pop() as number
    if (last !== slot) this.#settle(rows, hole, last, key, order)
  }

  /** Gives the member a new key and restores the order. */
  update(member: Member, key: number): void {
    const rows = this.#rows
    if (rows === undefined) this.#onlyKey = key
    else {
      const position = rows.positions[member.index] as number
      this.#settle(rows, position, member.index, key, member.order)
    }
  }

  #settle(rows: Rows<Member>, from: number, slot: number, key: number, order: number): void {
    if (this.#rise(rows, from, slot, key, order) === from) this.#sink(rows, from, slot, key, order)
  }

  /** Moves a member up from `start` as far as it goes; returns where that is. */
  #rise(rows: Rows<Member>, start: number, slot: number, key: number, order: number): number {
    const { keys, slots, positions, orders } = rows
    let hole = start
    while (hole > 0) {
      const above = (hole - 1) >> 3
      const aboveKey = keys[above] as number
      const aboveOrder = orders[above] as number
      if (key > aboveKey || (key === aboveKey && order >= aboveOrder)) break
      const parent = slots[above] as number
      keys[hole] = aboveKey
      orders[hole] = aboveOrder
      slots[hole] = parent
      positions[parent] = hole
      hole = above
    }
    keys[hole] = key
    orders[hole] = order
    slots[hole] = slot
    positions[slot] = hole
    return hole
  }

  #sink(rows: Rows<Member>, start: number, slot: number, key: number, order: number): void {
    const { keys, slots, positions, orders } = rows
    const size = keys.length
    let hole = start
    for (;;) {
      const first = CHILDREN * hole + 1
      if (first >= size) break
      const below = this.#least(rows, first, Math.min(first + CHILDREN, size))
      const belowKey = keys[below] as number
      const belowOrder = orders[below] as number
      if (belowKey > key || (belowKey === key && order <= belowOrder)) break
      const child = slots[below] as number
      keys[hole] = belowKey
      orders[hole] = belowOrder
      slots[hole] = child
      positions[child] = hole
      hole = below
    }
    keys[hole] = key
    orders[hole] = order
    slots[hole] = slot
    positions[slot] = hole
  }

  /** Where the smallest key from `start` up to `end` is. */
  #least(rows: Rows<Member>, start: number, end: number): number {
    const { keys, orders } = rows
    let least = start
    let leastKey = keys[start] as number
    for (let at = start + 1; at < end; at++) {
      const key = keys[at] as number
      if (key > leastKey) continue
      if (key === leastKey && (orders[at] as number) >= (orders[least] as number)) continue
      least = at
      leastKey = key
    }
    return least
  }
}

/** A member keeps its slot while it is in the heap; what moves is the slot's number. */
interface Rows<Member> {
  /** By slot. */
  members: (Member | undefined)[]
  /** By slot, where the key is kept. */
  at: number[]
  free: number[]
  positions: number[]
  /** By position. */
  keys: number[]
  /** By position: keys are often equal, and those compared then stand side by side. */
  orders: number[]
  slots: number[]
}
