/**
 * The strings that a regular expression matches, as a grammar for JSON strings. What a grammar
 * cannot say, such as looking ahead, is refused.
 */
import {
  complement,
  DIGITS,
  inJsonString,
  LINE_ENDS,
  type Range,
  SPACE,
  WORD,
} from './character-set.ts'
import { oneOf, repeated } from './grammar-rules.ts'

/** What of a pattern cannot be a grammar; the message names it. */
export class PatternError extends Error {}

/** Most repetitions that are spelled out, as for items and lengths. */
const REPEAT_MAX = 1000
const LENGTH_MAX = 1000
const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: DIGITS,
  w: WORD,
  s: SPACE,
  D: complement(DIGITS),
  W: complement(WORD),
  S: complement(SPACE),
}
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 }
const ANYTHING = 'char*'

/**
 * What stands between the quotes of a JSON string that the pattern matches.
 * @throws PatternError
 */
export function patternRule(pattern: string): string {
  if (pattern.length > LENGTH_MAX)
    throw new PatternError(`a pattern of more than ${LENGTH_MAX} characters`)
  try {
    new RegExp(pattern, 'u')
  } catch (error) {
    throw new PatternError('a pattern that is no regular expression', { cause: error })
  }
  return new PatternParser(pattern).whole()
}

class PatternParser {
  readonly #text: readonly string[]
  #at = 0

  constructor(pattern: string) {
    this.#text = Array.from(pattern)
  }

  /** Each alternative is anchored by itself. */
  whole(): string {
    const parts: string[] = []
    do parts.push(this.#anchored())
    while (this.#skips('|'))
    return oneOf(parts)
  }

  #anchored(): string {
    const before = this.#skips('^') ? '' : ANYTHING
    const inner = this.#sequence()
    const after = this.#skips('$') ? '' : ANYTHING
    if (this.#at < this.#text.length && this.#next !== '|')
      throw new PatternError('a pattern with an anchor inside')
    return [before, inner, after].filter((part) => part !== '').join(' ') || '""'
  }

  get #next(): string | undefined {
    return this.#text[this.#at]
  }

  #skips(character: string): boolean {
    if (this.#next !== character) return false
    this.#at++
    return true
  }

  #alternatives(): string {
    const parts: string[] = []
    do parts.push(this.#sequence() || '""')
    while (this.#skips('|'))
    if (!this.#skips(')')) throw new PatternError('a pattern with an anchor inside')
    return oneOf(parts)
  }

  #sequence(): string {
    const parts: string[] = []
    while (this.#next !== undefined && !'|)$^'.includes(this.#next)) {
      parts.push(this.#quantified(this.#atom()))
    }
    return parts.join(' ')
  }

  #atom(): string {
    if (this.#skips('(')) return this.#group()
    if (this.#skips('[')) return inString(this.#class())
    if (this.#skips('.')) return inString(complement(LINE_ENDS))
    return inString(this.#skips('\\') ? this.#escape() : one(this.#take()))
  }

  #group(): string {
    if (this.#skips('?')) {
      const kind = this.#take()
      const isNamed = kind === '<' && this.#next !== '=' && this.#next !== '!'
      if (isNamed) while (!this.#skips('>')) this.#at++
      else if (kind !== ':') throw new PatternError('a pattern that looks around')
    }
    return this.#alternatives()
  }

  #quantified(atom: string): string {
    const sign = ['*', '+', '?'].find((one) => this.#skips(one))
    const isCounted = sign === undefined && this.#skips('{')
    const rule = isCounted ? this.#counted(atom) : `${atom}${sign ?? ''}`
    // Which of several ways it matches is nothing to the text.
    if (isCounted || sign !== undefined) this.#skips('?')
    return rule
  }

  #counted(atom: string): string {
    let digits = ''
    while (!this.#skips('}')) digits += this.#take()
    const [min = '', max = min] = digits.split(',')
    const most = Math.max(Number(min), Number(max))
    if (most > REPEAT_MAX) throw new PatternError(`a pattern with over ${REPEAT_MAX} repetitions`)
    return repeated(atom, Number(min), max === '' ? undefined : Number(max)) || '""'
  }

  #class(): Range[] {
    const isNegated = this.#skips('^')
    const ranges: Range[] = []
    while (!this.#skips(']')) {
      const from = this.#member()
      const [first] = from[0] as Range
      const isRange = this.#next === '-' && this.#text[this.#at + 1] !== ']'
      if (!isRange) ranges.push(...from)
      else {
        this.#at++
        const [to] = this.#member()[0] as Range
        ranges.push([first, to])
      }
    }
    return isNegated ? complement(ranges) : ranges
  }

  #member(): readonly Range[] {
    return this.#skips('\\') ? this.#escape(true) : one(this.#take())
  }

  #escape(isInClass = false): readonly Range[] {
    const letter = this.#take()
    const known = CLASSES[letter]
    if (known) return known
    if (isInClass && letter === 'b') return one('\b')
    if (letter === 'u' || letter === 'x') return [this.#hex(letter === 'u' ? 4 : 2)]
    const control = CONTROLS[letter]
    if (control !== undefined) return [[control, control]]
    if (/[a-zA-Z0-9]/.test(letter)) throw new PatternError(`a pattern with \\${letter}`)
    return one(letter)
  }

  #hex(length: number): Range {
    let digits = ''
    if (this.#skips('{')) while (!this.#skips('}')) digits += this.#take()
    else while (digits.length < length) digits += this.#take()
    const code = Number.parseInt(digits, 16)
    return [code, code]
  }

  #take(): string {
    const character = this.#next
    if (character === undefined) throw new PatternError('a pattern that breaks off')
    this.#at++
    return character
  }
}

function inString(ranges: readonly Range[]): string {
  const rule = inJsonString(ranges)
  if (rule === undefined) throw new PatternError('a pattern for characters that are not written')
  return rule
}

function one(character: string): readonly Range[] {
  const code = character.codePointAt(0) as number
  return [[code, code]]
}
