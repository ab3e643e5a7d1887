/**
 * Looks for patterns in a text that comes in pieces, and gives back what no match can touch any
 * more. All matches are found at once, overlapping ones too: of every state of the program only the
 * earliest beginning is kept, so a character costs no more than the program is long, whatever the
 * text, and where the pieces end makes no difference.
 */
import { isRune, Op, type Program } from './program.ts'

/** Characters that a match may hold back; of a longer one the beginning goes out unchanged. */
export const HELD_CHARACTERS_MAX = 4096

/** What becomes of the matches of each pattern. */
export interface PatternUse {
  replacement: string
  /** False for a match that only looks like one. */
  isReal?: ((text: string) => boolean) | undefined
}

/** A part of the text that is replaced; `isOut` once its replacement has gone out. */
interface Cover {
  from: number
  to: number
  replacement: string
  isOut: boolean
}

const BEGIN_LINE = 1
const END_LINE = 2
const BEGIN_TEXT = 4
const END_TEXT = 8
const WORD_BOUNDARY = 16
const NO_WORD_BOUNDARY = 32
const LF = 10
const NONE = -1

export class Scanner {
  readonly #program: Program
  readonly #uses: readonly PatternUse[]
  readonly #redacts: boolean
  /** States after what was read, by rising beginning, with where their match began. */
  #states: number[] = []
  #begins: number[] = []
  /** Places in the text: of what comes next, and of what is held first. */
  #at = 0
  #heldFrom = 0
  #held = ''
  #last = NONE
  #covers: Cover[] = []
  #isFound = false
  /** In which step each instruction was reached last. */
  readonly #seen: Int32Array
  readonly #pushed: Int32Array
  #step = 0

  /** @param redacts false where the first match decides, so that nothing is replaced */
  constructor(program: Program, uses: readonly PatternUse[], redacts: boolean) {
    this.#program = program
    this.#uses = uses
    this.#redacts = redacts
    this.#seen = new Int32Array(program.instructions.length)
    this.#pushed = new Int32Array(program.instructions.length)
  }

  /** True once a pattern has matched. */
  get isFound(): boolean {
    return this.#isFound
  }

  /** @returns what may go out by now, matches replaced */
  push(text: string): string {
    this.#held += text
    const { begins } = this.#program
    const end = this.#heldFrom + this.#held.length
    while (this.#at < end) {
      const place = this.#at - this.#heldFrom
      const unit = this.#held.charCodeAt(place)
      if (this.#states.length === 0 && unit < begins.length && begins[unit] === 0) {
        this.#last = unit
        this.#at++
        continue
      }
      // Half of a pair waits for the other.
      if (isHighHalf(unit) && this.#at + 1 === end) break
      const rune = this.#held.codePointAt(place) ?? 0
      this.#read(rune)
      this.#last = rune
      this.#at += rune > 0xffff ? 2 : 1
      if (this.#isFound && !this.#redacts) return ''
    }
    return this.#release(Math.min(this.#begins[0] ?? this.#at, this.#at))
  }

  /** @returns the rest of the text */
  end(): string {
    if (this.#at < this.#heldFrom + this.#held.length) {
      this.#read(this.#held.charCodeAt(this.#at - this.#heldFrom))
      this.#at++
    }
    this.#reach(NONE)
    return this.#isFound && !this.#redacts ? '' : this.#release(this.#at)
  }

  /** Takes one code point. */
  #read(rune: number): void {
    const [states, begins] = this.#reach(rune)
    this.#states = []
    this.#begins = []
    for (const [index, state] of states.entries()) {
      const one = this.#program.instructions[state]
      if (one === undefined || !one.takes(rune) || this.#pushed[one.out] === this.#step) continue
      this.#pushed[one.out] = this.#step
      this.#states.push(one.out)
      this.#begins.push(begins[index] ?? 0)
    }
  }

  /**
   * Everything that can be reached before the next code point is read, and the matches that end
   * here. The earliest beginnings come first, so the first to reach a state is the one to keep.
   */
  #reach(next: number): [states: number[], begins: number[]] {
    this.#step++
    const flags = emptyFlags(this.#last, next)
    const found: [number[], number[]] = [[], []]
    for (const [index, state] of this.#states.entries()) {
      this.#follow(state, this.#begins[index] ?? 0, flags, found)
    }
    for (const start of this.#program.starts) this.#follow(start, this.#at, flags, found)
    return found
  }

  #follow(from: number, begin: number, flags: number, found: [number[], number[]]): void {
    const stack = [from]
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const one = this.#program.instructions[at]
      if (one === undefined || this.#seen[at] === this.#step) continue
      this.#seen[at] = this.#step
      if (isRune(one)) {
        found[0].push(at)
        found[1].push(begin)
      } else if (one.op === Op.MATCH) this.#matched(begin, one.pattern)
      else if (one.op === Op.ALT || one.op === Op.ALT_MATCH) stack.push(one.arg, one.out)
      else if (one.op === Op.CAPTURE || one.op === Op.NOP) stack.push(one.out)
      else if (one.op === Op.EMPTY_WIDTH && (one.arg & ~flags) === 0) stack.push(one.out)
    }
  }

  #matched(begin: number, pattern: number): void {
    const use = this.#uses[pattern]
    if (use === undefined || begin === this.#at) return
    let from = begin
    if (begin >= this.#heldFrom && use.isReal !== undefined) {
      const text = this.#held.slice(begin - this.#heldFrom, this.#at - this.#heldFrom)
      if (!use.isReal(text)) return
    }
    this.#isFound = true
    if (!this.#redacts) return
    let { replacement } = use
    let isOut = false
    // What overlaps or touches it becomes one with it.
    for (let last = this.#covers.at(-1); last && last.to >= from; last = this.#covers.at(-1)) {
      if (last.from <= from) {
        from = last.from
        replacement = last.replacement
      }
      isOut ||= last.isOut
      this.#covers.pop()
    }
    this.#covers.push({ from, to: this.#at, replacement, isOut })
  }

  /** Lets go of the text before `wanted`, and of what has been held for too long. */
  #release(wanted: number): string {
    const until = Math.max(wanted, this.#at - HELD_CHARACTERS_MAX)
    let out = ''
    let at = this.#heldFrom
    for (const cover of this.#covers) {
      if (cover.from >= until) break
      if (cover.from > at) out += this.#slice(at, cover.from)
      if (!cover.isOut) out += cover.replacement
      cover.isOut = true
      at = Math.max(at, Math.min(cover.to, until))
    }
    out += this.#slice(at, until)
    this.#held = this.#held.slice(until - this.#heldFrom)
    this.#heldFrom = until
    // One that ends here is kept, since the next may touch it.
    this.#covers = this.#covers.filter(({ to }) => to >= until)
    return out
  }

  #slice(from: number, to: number): string {
    return this.#held.slice(from - this.#heldFrom, to - this.#heldFrom)
  }
}

const isHighHalf = (unit: number) => unit >= 0xd800 && unit <= 0xdbff

const isWord = (rune: number) =>
  (rune >= 48 && rune <= 57) ||
  (rune >= 65 && rune <= 90) ||
  rune === 95 ||
  (rune >= 97 && rune <= 122)

/** What is true between two code points, by RE2's flags; below 0 there is none. */
function emptyFlags(last: number, next: number): number {
  let flags = isWord(last) === isWord(next) ? NO_WORD_BOUNDARY : WORD_BOUNDARY
  if (last === NONE) flags |= BEGIN_TEXT | BEGIN_LINE
  else if (last === LF) flags |= BEGIN_LINE
  if (next === NONE) flags |= END_TEXT | END_LINE
  else if (next === LF) flags |= END_LINE
  return flags
}
