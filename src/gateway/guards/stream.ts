/**
 * Guards on a chat stream: events in, events out, held back no further than a match could reach.
 * With a guard that wants the whole answer nothing goes out before that is checked.
 */
import { GristmillError } from '../../base/index.ts'
import { checkTexts } from '../../guard/index.ts'
import { type Fields, fieldsOf } from '../engine-words.ts'
import { frameEnd, payload } from '../event-frame.ts'
import { jsonOf } from '../json-text.ts'
import { contentsOf, FILTERED } from './answer.ts'
import type { Guarding } from './before.ts'
import { GuardedChoice, TEXT_KEYS } from './choice.ts'
import { textsIn, withTextsIn } from './texts.ts'

const DONE = 'data: [DONE]\n\n'
const CALLS = '"tool_calls"'

export class GuardedStream {
  readonly #guarding: Guarding
  readonly #heldBytesMax: number
  #heldBytes = 0
  readonly #choices = new Map<number, GuardedChoice>()
  /** What stands around the choices of every event. */
  #around: Fields = {}
  #isChat = true
  /** Events of the piece of the moment that may go out, also where what follows is refused. */
  #ready = ''
  /** Ends and usage, of an answer that is checked whole. */
  #held: Fields[] = []

  /** @param heldBytesMax of events that are held until their end has come */
  constructor(guarding: Guarding, heldBytesMax: number) {
    this.#guarding = guarding
    this.#heldBytesMax = heldBytesMax
    for (const guard of guarding.set.after) guarding.run.note(guard, 'passed')
  }

  /**
   * @param bytes whole events
   * @returns the events that may go out by now
   * @throws GristmillError `guard_refused`, `engine_failed`
   */
  next(bytes: Buffer): string {
    this.#ready = ''
    let at = 0
    for (let end = frameEnd(bytes, 0); end !== -1; end = frameEnd(bytes, at)) {
      const text = bytes.toString('utf8', at, end)
      const event = payload(text)
      if (this.#guarding.set.wantsWhole || text.includes(CALLS)) this.#hold(end - at)
      at = end
      // What cannot be read cannot be checked; the mark of the end is written by `done`.
      if (event !== null) this.#ready += this.#events(event).map(written).join('')
    }
    return this.#ready
  }

  /**
   * The last events of an answer that is complete; a promise only where a service is asked.
   * @throws GristmillError `guard_refused`, `guard_unavailable`; also as a rejection
   */
  done(): string | Promise<string> {
    const { set, run } = this.#guarding
    const open = [...this.#choices.values()]
    if (!set.wantsWhole) {
      const rest = open.filter(({ isOver }) => !isOver).flatMap((choice) => this.#restOf(choice))
      return rest.map(written).join('') + DONE
    }
    const spoken = open.map((choice) => choice.words)
    const texts = textsIn(spoken)
    const goOn = (left: readonly string[]) => {
      const words = withTextsIn(spoken, left) as Fields[]
      const said = open.map(({ index }, place) => this.#event(index, this.#first(words[place])))
      return [...said, ...this.#held].map(written).join('') + DONE
    }
    const left = checkTexts(set.after, texts, run, contentsOf(spoken.map(asMessage)))
    return left instanceof Promise ? left.then(goOn) : goOn(left)
  }

  /** The last events of an answer that a guard has refused. */
  refused(): string {
    const open = [...this.#choices.values()].filter(({ isOver }) => !isOver)
    const indices = this.#guarding.set.wantsWhole ? [...this.#choices.keys()] : open.map(indexOf)
    const ends = indices.map((index) => this.#event(index, {}, FILTERED))
    const usage = this.#held.filter(({ choices }) => Array.isArray(choices) && choices.length === 0)
    return this.#ready + [...ends, ...usage].map(written).join('') + DONE
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes
    if (this.#heldBytes <= this.#heldBytesMax) return
    const reason = `its answer has more than ${this.#heldBytesMax} bytes`
    throw new GristmillError('engine_failed', { reason })
  }

  #events(event: Fields): Fields[] {
    const { choices, usage, ...around } = event
    this.#around = around
    const out = Array.isArray(choices) ? choices.flatMap((one) => this.#pieces(fieldsOf(one))) : []
    if (usage !== undefined && usage !== null) {
      const last = out.pop()
      out.push(last ? { ...last, usage } : { ...this.#around, choices: [], usage })
    }
    if (!this.#guarding.set.wantsWhole) return out
    this.#held.push(...out)
    return []
  }

  /** What of one choice's piece goes out, as events of their own. */
  #pieces(given: Fields): Fields[] {
    const { index, finish_reason: reason } = given
    const choice = this.#choiceAt(typeof index === 'number' ? index : 0)
    this.#isChat = given.delta !== undefined
    const delta = this.#isChat ? fieldsOf(given.delta) : given
    const left: Fields = {}
    if (typeof delta.role === 'string' && !this.#guarding.set.wantsWhole) left.role = delta.role
    for (const key of TEXT_KEYS) {
      const text = delta[key]
      if (typeof text !== 'string') continue
      const released = text === '' ? {} : choice.push(key, text)
      for (const [name, part] of Object.entries(released)) {
        if (part !== '') left[name] = `${String(left[name] ?? '')}${part}`
      }
      if (left.role !== undefined && key === 'content') left.content ??= ''
    }
    choice.addCalls(delta.tool_calls)
    const out = Object.keys(left).length === 0 ? [] : [this.#event(choice.index, left)]
    if (typeof reason !== 'string') return out
    if (!this.#guarding.set.wantsWhole) out.push(...this.#restOf(choice))
    choice.isOver = true
    const { stop_reason } = given
    const end = this.#event(choice.index, {}, reason, stop_reason)
    return [...out, end]
  }

  #restOf(choice: GuardedChoice): Fields[] {
    const rest = choice.rest()
    return Object.keys(rest).length === 0 ? [] : [this.#event(choice.index, rest)]
  }

  #choiceAt(index: number): GuardedChoice {
    const known = this.#choices.get(index)
    if (known !== undefined) return known
    const choice = new GuardedChoice(index, this.#guarding)
    this.#choices.set(index, choice)
    return choice
  }

  #first = (words: Fields | undefined): Fields =>
    this.#isChat ? { role: 'assistant', ...words } : { text: '', ...words }

  #event(index: number, said: Fields, finish_reason?: string, stop_reason?: unknown): Fields {
    const words = this.#isChat ? { delta: said } : { text: '', ...said }
    const stop = stop_reason === undefined || stop_reason === null ? {} : { stop_reason }
    const choice = { index, ...words, finish_reason: finish_reason ?? null, ...stop }
    return { ...this.#around, choices: [choice] }
  }
}

const indexOf = ({ index }: GuardedChoice) => index
/** As a whole answer has it. */
const asMessage = (words: Fields): Fields => ('text' in words ? words : { message: words })

const written = (event: Fields) => `data: ${jsonOf(event)}\n\n`
