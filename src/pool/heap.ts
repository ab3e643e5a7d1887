/** A binary min-heap whose members know their place, so that any of them can move or leave. */

export interface HeapMember {
  /** Place in the heap, -1 outside it. Only the heap writes it. */
  index: number
}

export class Heap<Member extends HeapMember> {
  readonly #members: Member[] = []
  readonly #before: (a: Member, b: Member) => boolean

  /** @param before true where `a` leaves the heap ahead of `b` */
  constructor(before: (a: Member, b: Member) => boolean) {
    this.#before = before
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

  push(member: Member): void {
    member.index = this.#members.length
    this.#members.push(member)
    this.#rise(member.index)
  }

  remove(member: Member): void {
    const hole = member.index
    const last = this.#members.pop()
    member.index = -1
    if (last === undefined || last === member) return
    this.#members[hole] = last
    last.index = hole
    this.update(last)
  }

  /** Restores the order after the member's key has changed. */
  update(member: Member): void {
    const before = member.index
    this.#rise(before)
    if (member.index === before) this.#sink(before)
  }

  #rise(start: number): void {
    const members = this.#members
    const member = members[start] as Member
    let hole = start
    while (hole > 0) {
      const above = (hole - 1) >> 1
      const parent = members[above] as Member
      if (!this.#before(member, parent)) break
      members[hole] = parent
      parent.index = hole
      hole = above
    }
    members[hole] = member
    member.index = hole
  }

  #sink(start: number): void {
    const members = this.#members
    const member = members[start] as Member
    const size = members.length
    let hole = start
    for (;;) {
      let below = 2 * hole + 1
      if (below >= size) break
      const right = members[below + 1]
      if (right !== undefined && this.#before(right, members[below] as Member)) below++
      const child = members[below] as Member
      if (!this.#before(child, member)) break
      members[hole] = child
      child.index = hole
      hole = below
    }
    members[hole] = member
    member.index = hole
  }
}
