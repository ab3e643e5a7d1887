/** Guards that look for something in texts: whether it is there, and the text without it. */
import type { RE2JS } from 're2js'
import { type PiiEntity, piiForms } from './pii.ts'
import { type Program, parsePattern, programOf } from './program.ts'
import { type PatternUse, Scanner } from './scanner.ts'
import type { PatternGuard, PiiGuard } from './types.ts'

export class TextSearch {
  readonly #patterns: readonly RE2JS[]
  readonly #program: Program
  readonly #uses: readonly PatternUse[]

  /** @throws Error in words about a pattern */
  constructor(guard: PatternGuard | PiiGuard) {
    const forms = guard.kind === 'pii' ? guard.entities.map(formOf) : ownForms(guard)
    this.#patterns = forms.map(({ pattern }) => parsePattern(pattern))
    this.#program = programOf(this.#patterns)
    this.#uses = forms
  }

  get program(): Program {
    return this.#program
  }

  /** True where a pattern matches a part of the text. */
  finds(text: string): boolean {
    if (!this.#mayFind(text)) return false
    const scanner = this.scanner(false)
    scanner.push(text)
    scanner.end()
    return scanner.isFound
  }

  /** The text with every part that matches replaced. */
  redacted(text: string): string {
    if (!this.#mayFind(text)) return text
    const scanner = this.scanner(true)
    return scanner.push(text) + scanner.end()
  }

  /** For a text that comes in pieces. */
  scanner(redacts: boolean): Scanner {
    return new Scanner(this.#program, this.#uses, redacts)
  }

  /** RE2JS is faster where nothing matches, which is nearly always. */
  #mayFind(text: string): boolean {
    return this.#patterns.some((pattern) => pattern.test(text))
  }
}

const formOf = (entity: PiiEntity) => piiForms[entity]

const ownForms = ({ patterns, replacement }: PatternGuard) =>
  patterns.map((pattern) => ({ pattern, replacement }))
