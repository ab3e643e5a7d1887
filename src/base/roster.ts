/**
 * A set of short-lived objects that is entered and left all the time. A `Map` or `Set` would do,
 * but V8 links each table it outgrows to the next one: with this much coming and going, dead
 * tables keep their former members from being collected young, and that costs more than the work.
 */

/** What can be in one roster at a time; `rosterIndex` belongs to the roster. */
export interface RosterMember {
  rosterIndex: number
}

/** The index of what is in no roster. */
export const NOT_LISTED = -1

export class Roster<Member extends RosterMember> {
  readonly #members: Member[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: Member): void {
    if (member.rosterIndex !== NOT_LISTED) return
    member.rosterIndex = this.#members.push(member) - 1
  }

  /** Does nothing where it has left already. */
  delete(member: Member): void {
    const index = member.rosterIndex
    if (this.#members[index] !== member) return
    const last = this.#members.pop() as Member
    member.rosterIndex = NOT_LISTED
    if (last === member) return
    this.#members[index] = last
    last.rosterIndex = index
  }

  /** Calls `each` with every member; members may leave meanwhile, and new ones are not visited. */
  forEach(each: (member: Member) => void): void {
    for (let i = this.#members.length - 1; i >= 0; i--) {
      const member = this.#members[i]
      if (member !== undefined) each(member)
    }
  }
}
