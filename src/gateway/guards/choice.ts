/** One choice of a streamed answer: what of its texts may go out, and what is held. */
import { type ActiveGuard, checkTexts, refusedBy, type Scanner } from '../../guard/index.ts'
import { CallNumbers, callOf, type Fields, fieldsOf } from '../engine-words.ts'
import type { Guarding } from './before.ts'
import { textsIn, withTextsIn } from './texts.ts'

const THOUGHT_KEYS = ['reasoning_content', 'reasoning']
/** Where an engine puts texts in a piece of an answer; what it thinks comes before what it says. */
export const TEXT_KEYS = [...THOUGHT_KEYS, 'content', 'refusal', 'text'] as const

interface Step {
  guard: ActiveGuard
  redacts: boolean
  scanner: Scanner
}

export class GuardedChoice {
  readonly index: number
  /** True once its finish reason has come. */
  isOver = false
  readonly #guarding: Guarding
  readonly #channels = new Map<string, Step[]>()
  /** Texts that are only checked whole. */
  readonly #whole: Record<string, string> = {}
  /** Calls are held until they are complete: their arguments are no use before. */
  readonly #calls = new Map<number, Fields>()
  readonly #numbers = new CallNumbers()

  constructor(index: number, guarding: Guarding) {
    this.index = index
    this.#guarding = guarding
  }

  /**
   * @returns what may go out by now: of this text, and of thoughts that end where it begins
   * @throws GristmillError `guard_refused`
   */
  push(key: string, text: string): Record<string, string> {
    if (this.#guarding.set.wantsWhole) {
      this.#whole[key] = (this.#whole[key] ?? '') + text
      return {}
    }
    const released: Record<string, string> = {}
    for (const thought of THOUGHT_KEYS.includes(key) ? [] : THOUGHT_KEYS) {
      released[thought] = this.#restOf(this.#channels.get(thought) ?? [])
      this.#channels.delete(thought)
    }
    released[key] = this.#through(this.#channelOf(key), 0, text)
    return released
  }

  addCalls(calls: unknown): void {
    if (!Array.isArray(calls)) return
    for (const [position, call] of calls.entries()) this.#addCall(fieldsOf(call), position)
  }

  /**
   * @returns what was held back, as a piece of the answer
   * @throws GristmillError `guard_refused`
   */
  rest(): Fields {
    const rest: Fields = {}
    for (const [key, steps] of this.#channels) {
      const text = this.#restOf(steps)
      if (text !== '') rest[key] = text
    }
    const { set, run } = this.#guarding
    const calls = [...this.#calls.values()]
    this.#channels.clear()
    this.#calls.clear()
    if (calls.length === 0) return rest
    const left = checkTexts(set.after, textsIn(calls), run)
    return { ...rest, tool_calls: withTextsIn(calls, left as readonly string[]) }
  }

  /** All that it said, of an answer that is checked whole. */
  get words(): Fields {
    const calls = [...this.#calls.values()]
    if (calls.length > 0) return { ...this.#whole, tool_calls: calls }
    return 'text' in this.#whole ? this.#whole : { content: '', ...this.#whole }
  }

  #addCall(call: Fields, position: number): void {
    const index = this.#numbers.numberOf(callOf(call, position))
    const before = this.#calls.get(index)
    if (before === undefined) {
      this.#calls.set(index, { ...call, index, function: { ...fieldsOf(call.function) } })
      return
    }
    const { name, arguments: piece } = fieldsOf(call.function)
    const known = before.function as Fields
    if (typeof name === 'string' && name !== '') known.name ??= name
    if (typeof piece === 'string') known.arguments = `${String(known.arguments ?? '')}${piece}`
  }

  #channelOf(key: string): Step[] {
    const known = this.#channels.get(key)
    if (known !== undefined) return known
    const { set } = this.#guarding
    const steps = set.after.flatMap((guard) => {
      if (guard.search === null) return []
      const { guard: rule } = guard
      const redacts = rule.kind !== 'schema' && rule.kind !== 'http' && rule.action === 'redact'
      return [{ guard, redacts, scanner: guard.search.scanner(redacts) }]
    })
    this.#channels.set(key, steps)
    return steps
  }

  #restOf(steps: readonly Step[]): string {
    let text = ''
    for (const [at, step] of steps.entries()) {
      const last = step.scanner.end()
      this.#judge(step)
      text += this.#through(steps, at + 1, last)
    }
    return text
  }

  #through(steps: readonly Step[], from: number, text: string): string {
    let left = text
    for (const step of steps.slice(from)) {
      if (left === '') return ''
      left = step.scanner.push(left)
      this.#judge(step)
    }
    return left
  }

  #judge({ guard, redacts, scanner }: Step): void {
    if (!scanner.isFound) return
    if (!redacts) throw refusedBy(guard, this.#guarding.run)
    this.#guarding.run.note(guard, 'redacted')
  }
}
