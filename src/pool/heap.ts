/**
 * A min-heap whose members know their place, so that any of them can move or leave. Memory decides
 * its speed: keys lie in an array of their own, so that comparing reads no member, and each node
 * has eight children, whose keys fill one cache line, so that few members move.
 */

const CHILDREN = 8

export interface HeapMember {
  /** Place in the heap, -1 outside it. Only the heap writes it. */
  index: number
}

export class Heap<Member extends HeapMember> {
  readonly #members: Member[] = []
  readonly #keys: number[] = []
  readonly #tie: (a: Member, b: Member) => boolean

  /** @param tie true where `a` leaves the heap ahead of `b` though their keys are equal */
  constructor(tie: (a: Member, b: Member) => boolean) {
    this.#tie = tie
  }

  get size(): number {
    return this.#members.length
  }

  peek(): Member | undefined {
    return this.#members[0]
  }

  /** The members in no particular order; the first is the smallest. Must not be changed. */
  members(): readonly Member[] {
    return this.#members
  }

  push(member: Member, key: number): void {
    member.index = this.#members.length
    this.#members.push(member)
    this.#keys.push(key)
    this.#rise(member.index)
  }

  remove(member: Member): void {
    const hole = member.index
    const last = this.#members.pop()
    const key = this.#keys.pop()
    member.index = -1
    if (last === undefined || key === undefined || last === member) return
    this.#members[hole] = last
    last.index = hole
    this.update(last, key)
  }

  /** Gives the member a new key and restores the order. */
  update(member: Member, key: number): void {
    const before = member.index
    this.#keys[before] = key
    this.#rise(before)
    if (member.index === before) this.#sink(before)
  }

  #rise(start: number): void {
    const members = this.#members
    const keys = this.#keys
    const member = members[start] as Member
    const key = keys[start] as number
    let hole = start
    while (hole > 0) {
      const above = Math.floor((hole - 1) / CHILDREN)
      const parent = members[above] as Member
      const aboveKey = keys[above] as number
      if (key > aboveKey || (key === aboveKey && !this.#tie(member, parent))) break
      members[hole] = parent
      keys[hole] = aboveKey
      parent.index = hole
      hole = above
    }
    members[hole] = member
    keys[hole] = key
    member.index = hole
  }

  #sink(start: number): void {
    const members = this.#members
    const keys = this.#keys
    const member = members[start] as Member
    const key = keys[start] as number
    const size = members.length
    let hole = start
    for (;;) {
      const first = CHILDREN * hole + 1
      if (first >= size) break
      const below = this.#least(first, Math.min(first + CHILDREN, size))
      const child = members[below] as Member
      const childKey = keys[below] as number
      if (childKey > key || (childKey === key && !this.#tie(child, member))) break
      members[hole] = child
      keys[hole] = childKey
      child.index = hole
      hole = below
    }
    members[hole] = member
    keys[hole] = key
    member.index = hole
  }

  /** Where the smallest of the members from `start` up to `end` is. */
  #least(start: number, end: number): number {
    const keys = this.#keys
    let least = start
    let leastKey = keys[start] as number
    for (let at = start + 1; at < end; at++) {
      const key = keys[at] as number
      if (key > leastKey) continue
      if (key === leastKey) {
        const members = this.#members
        if (!this.#tie(members[at] as Member, members[least] as Member)) continue
      }
      least = at
      leastKey = key
    }
    return least
  }
}
