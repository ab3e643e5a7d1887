/**
 * The members of an object as a grammar: optional ones may be left out, the order is that of the
 * schema. At every point the names that may come next form a tree of what they have in common from
 * the left, because for every token llama.cpp tries all alternatives that may come next: a flat
 * list of three hundred names cost up to 200 ms a token.
 */
import { literal, oneOf } from './grammar-rules.ts'

export interface Member {
  name: string
  /** Rule of its value. */
  value: string
  isRequired: boolean
}

/** Adds a rule; with a name it sets one that was reserved by `define(undefined)`. */
export type Define = (body: string | undefined, name?: string) => string

/** What stands between the braces of an object with these members; at least one. */
export function membersRule(members: readonly Member[], define: Define): string {
  const { choices, isOptional } = new MemberRules(members, define).after(-1)
  return isOptional ? `(${choices})?` : choices
}

class MemberRules {
  readonly #members: readonly Member[]
  readonly #define: Define
  /** In whole characters, so that no half of a surrogate pair is taken for one. */
  readonly #names: readonly (readonly string[])[]
  readonly #ends = new Map<number, string>()
  readonly #nodes = new Map<string, string>()

  constructor(members: readonly Member[], define: Define) {
    this.#members = members
    this.#define = define
    this.#names = members.map(({ name }) => Array.from(JSON.stringify(name)))
    // From the last to the first, so that no rule is needed before it exists.
    for (let i = members.length - 1; i >= 0; i--) this.#ends.set(i, this.#endOf(i))
  }

  /** The members that may follow the one at `index`: up to the next that must come. */
  after(index: number): { choices: string; isOptional: boolean } {
    const from = index + 1
    const required = this.#members.findIndex(({ isRequired }, i) => i >= from && isRequired)
    const to = required < 0 ? this.#members.length - 1 : required
    const indices = Array.from({ length: to - from + 1 }, (_, i) => from + i)
    return { choices: this.#choice(indices, 0), isOptional: required < 0 }
  }

  /** What follows a name: its value and all later members. */
  #endOf(index: number): string {
    const value = `":" space ${this.#members[index]?.value}`
    if (index === this.#members.length - 1) return this.#define(value)
    const { choices, isOptional } = this.after(index)
    const more = `"," space ${choices}`
    return this.#define(`${value} ${isOptional ? `(${more})?` : more}`)
  }

  /** One of the names, all alike in their first `depth` characters, and what follows it. */
  #choice(indices: readonly number[], depth: number): string {
    const [first = 0] = indices
    const name = this.#names[first] ?? []
    if (indices.length === 1)
      return `${literal(name.slice(depth).join(''))} ${this.#ends.get(first)}`
    const shared = this.#sharedLength(indices)
    const key = `${name.slice(0, shared).join('')}\n${first}\n${indices.at(-1)}`
    let rule = this.#nodes.get(key)
    if (rule === undefined) {
      const branches = Map.groupBy(indices, (index) => this.#names[index]?.[shared])
      rule = this.#define(oneOf([...branches.values()].map((part) => this.#choice(part, shared))))
      this.#nodes.set(key, rule)
    }
    return depth < shared ? `${literal(name.slice(depth, shared).join(''))} ${rule}` : rule
  }

  #sharedLength([first = 0, ...others]: readonly number[]): number {
    const model = this.#names[first] ?? []
    let length = model.length
    for (const other of others) {
      const name = this.#names[other] ?? []
      let same = 0
      while (same < length && name[same] === model[same]) same++
      length = same
    }
    return length
  }
}
