/**
 * The model of our own engine: sequences, of which neighbours are computed in one pass and each
 * holds what it read last, and prompts that are read for as long as its pace allows. What a step
 * has in it production's own code says; how long it takes, the profile. What it leaves out:
 * positions within a sequence, time between two steps, the network.
 */
import {
  BackgroundTurn,
  choosePass,
  isBackground,
  MOVED_TOKENS_MAX,
  movesTogether,
  notePassed,
  Pace,
  type Piece,
  planStep,
  SequencePool,
} from '../base/index.ts'
import { type EngineProfile, passMs } from './sim-profile.ts'
import { type SimPrompt, SimSequence, tokensOn } from './sim-sequence.ts'
import {
  cutShort,
  endOf,
  REPORT_TOKENS,
  type StepRow,
  stepsUntilDone,
  tokensOf,
  YIELD_MS_MAX,
} from './sim-step.ts'
import type { SimEngineEvents, SimEngineModel, SimTicket } from './sim-types.ts'

/** As the engine is started. */
const READ_TOKENS_MAX = 512
const READ_STEP_MS = 250
/** A prompt of this length is what it knows of reading at first. */
const FIRST_PROMPT_TOKENS = 64

/** Steps that are alike. */
interface Segment extends StepRow {
  /** Streams that have a token in each, and how many sequences are computed for it. */
  pass: readonly SimTicket[]
  sequences: number
  /** Streams whose turn comes after it. */
  others: readonly SimTicket[]
  read: readonly Piece<SimTicket>[]
}

export class SimLockstepEngine implements SimEngineModel {
  index = -1
  readonly order = 0
  endMs = Number.POSITIVE_INFINITY
  busyMs = 0
  readonly id: string
  readonly profile: EngineProfile
  readonly #events: SimEngineEvents
  readonly #sequences: SequencePool<SimSequence, SimPrompt>
  readonly #sequenceOf = new Map<SimTicket, SimSequence>()
  readonly #pace = new Pace({ readTokensMax: READ_TOKENS_MAX, readStepMs: READ_STEP_MS })
  readonly #backgroundTurn = new BackgroundTurn()
  readonly #room: number
  readonly #enough: number
  #waiting: SimTicket[] = []
  /** In the order of their sequences. */
  #active: SimTicket[] = []
  #hasAborted = false
  #segment: Segment | undefined
  /** Time spent on prompts since streams had their last token, and when it ended. */
  #readMs = 0
  #lastReadMs = Number.NEGATIVE_INFINITY

  constructor(id: string, profile: EngineProfile, events: SimEngineEvents) {
    const { cap, express, spare, lockstep } = profile
    if (lockstep === undefined) throw new Error(`engine ${id} is none of ours`)
    this.id = id
    this.profile = profile
    this.#events = events
    this.#room = cap + express
    this.#enough = lockstep.enough
    const sequences = Array.from({ length: this.#room + spare }, () => new SimSequence())
    this.#sequences = new SequencePool(sequences)
    for (let streams = 1; streams <= sequences.length; streams++)
      this.#pace.record(passMs(profile, streams), streams, [])
    const first = { position: 0, tokens: FIRST_PROMPT_TOKENS }
    this.#pace.record(this.#readingMs([first]), 0, [first])
  }

  get held(): number {
    return this.#waiting.length + this.#active.length
  }

  get isIdle(): boolean {
    return this.#segment === undefined
  }

  add(ticket: SimTicket, nowMs: number): void {
    this.#waiting.push(ticket)
    this.#cut(nowMs)
  }

  abort(ticket: SimTicket, nowMs: number): void {
    ticket.aborted = true
    this.#hasAborted = true
    this.#cut(nowMs)
  }

  /** Ends the running segment with the step that is under way. */
  #cut(nowMs: number): void {
    if (this.#segment === undefined) return
    this.#segment = cutShort(this.#segment, nowMs)
    this.endMs = endOf(this.#segment)
  }

  complete(nowMs: number): void {
    const segment = this.#segment
    if (segment === undefined) return
    this.#segment = undefined
    this.endMs = Number.POSITIVE_INFINITY
    this.#noteSteps(segment, nowMs)
    notePassed(this.#active, segment.read)
    for (const { candidate, tokens } of segment.read) this.#read(candidate, tokens, nowMs)
    for (const ticket of segment.pass) this.#write(ticket, segment.steps, nowMs)
    const isDone = ({ generated, request }: SimTicket) => generated >= request.outputTokens
    for (const ticket of this.#active.filter(isDone)) this.#end(ticket, 'done', nowMs)
  }

  dropAborted(nowMs: number): void {
    if (this.#segment !== undefined || !this.#hasAborted) return
    this.#hasAborted = false
    for (const ticket of [...this.#waiting, ...this.#active]) {
      if (ticket.aborted) this.#end(ticket, 'aborted', nowMs)
    }
  }

  plan(nowMs: number): void {
    if (this.#segment !== undefined) return
    this.#admit(nowMs)
    this.#segment = this.#next(nowMs)
    if (this.#segment === undefined) return
    this.endMs = endOf(this.#segment)
  }

  /** What the engine learns of steps that have ended; before anything counts as read or written. */
  #noteSteps({ steps, stepMs, pass, sequences, others, read }: Segment, nowMs: number): void {
    const durationMs = steps * stepMs
    this.busyMs += durationMs
    if (pass.length === 0) {
      this.#readMs += durationMs
      this.#lastReadMs = nowMs
    } else if (others.every(({ lastStepMs }) => lastStepMs > this.#lastReadMs)) {
      // The streams' turn is over once all have had their token.
      this.#readMs = 0
    }
    this.#pace.record(stepMs, sequences, read.map(pieceOf))
    const streamMs = this.#pace.streamMs(this.#room)
    this.#backgroundTurn.note({ candidates: this.#active, decode: pass, durationMs, streamMs })
  }

  #read(ticket: SimTicket, tokens: number, nowMs: number): void {
    ticket.unread -= tokens
    ticket.lastStepMs = nowMs
    if (ticket.unread > 0) return
    ticket.firstTokenMs = nowMs
    ticket.generated = 1
    this.#events.promptRead(ticket, nowMs)
  }

  #write(ticket: SimTicket, tokens: number, nowMs: number): void {
    ticket.generated += tokens
    ticket.lastStepMs = nowMs
    const isNews = ticket.generated - ticket.reported >= REPORT_TOKENS
    if (isNews && ticket.generated < ticket.request.outputTokens) {
      this.#events.progressed(ticket, nowMs)
    }
  }

  #end(ticket: SimTicket, outcome: 'done' | 'aborted', nowMs: number): void {
    const sequence = this.#sequenceOf.get(ticket)
    if (sequence === undefined) this.#waiting.splice(this.#waiting.indexOf(ticket), 1)
    else {
      this.#active.splice(this.#active.indexOf(ticket), 1)
      this.#sequenceOf.delete(ticket)
      sequence.keep(ticket)
      this.#sequences.giveBack(sequence)
    }
    this.#events.ended(ticket, outcome, nowMs)
  }

  /** Gives free sequences to those who wait, best rank first; each has its whole context. */
  #admit(nowMs: number): void {
    if (this.#waiting.length === 0) return
    this.#waiting.sort((a, b) => a.rank - b.rank || a.order - b.order)
    const before = this.#active.length
    for (let ticket = this.#waiting[0]; ticket !== undefined; ticket = this.#waiting[0]) {
      const { tenant, inputTokens: length, prefix } = ticket.request
      const taken = this.#sequences.take(tenant, { length, prefix }, isBackground(ticket))
      if (taken === undefined) break
      this.#waiting.shift()
      const found = this.profile.prefixCache ? taken.reusable : 0
      const unread = Math.max(1, length - found)
      ticket.index = taken.index
      ticket.uncachedTokens = unread
      ticket.unread = unread
      ticket.toRead = unread
      ticket.lastStepMs = nowMs
      this.#sequenceOf.set(ticket, taken.sequence)
      this.#active.push(ticket)
    }
    if (this.#active.length > before) this.#active.sort(byIndex)
  }

  /** Moves take no time here. */
  #bringTogether(decode: SimTicket[]): void {
    const sequenceOf = (ticket: SimTicket) => this.#sequenceOf.get(ticket) as SimSequence
    const holderOf = (one: SimSequence) => this.#active.find((ticket) => sequenceOf(ticket) === one)
    const moves = movesTogether(decode, new Set(decode.map(sequenceOf)), {
      pool: this.#sequences,
      pace: this.#pace,
      canMove: (sequence) => tokensOn(holderOf(sequence) as SimTicket) <= MOVED_TOKENS_MAX,
    })
    for (const move of moves) {
      const ticket = this.#active.find(({ index }) => index === move.from) as SimTicket
      const target = this.#sequences.idleAt(move.to) as SimSequence
      this.#sequences.move(move)
      sequenceOf(ticket).keep(ticket)
      this.#sequenceOf.set(ticket, target)
      ticket.index = move.to
    }
    if (moves.length === 0) return
    this.#active.sort(byIndex)
    decode.sort(byIndex)
  }

  #next(nowMs: number): Segment | undefined {
    const plan = planStep(this.#active, {
      room: this.#room,
      enough: this.#enough,
      yieldMsMax: YIELD_MS_MAX,
      readMs: this.#readMs,
      backgroundShare: this.#backgroundTurn.share,
      nowMs,
      readBudget: (step, { unread, request }) =>
        this.#pace.readBudget(step, { position: request.inputTokens - unread, unread }),
    })
    if (plan === undefined) return undefined
    if (plan.decode.length > 0) {
      this.#bringTogether(plan.decode)
      return this.#pass(plan.decode, nowMs)
    }
    const { read } = plan
    const stepMs = this.#readingMs(read)
    return { startMs: nowMs, stepMs, steps: 1, pass: [], sequences: 0, others: [], read }
  }

  #pass(decode: readonly SimTicket[], nowMs: number): Segment {
    const options = { pool: this.#sequences, pace: this.#pace, heldTokens: tokensOn }
    const { pass, fillers, others } = choosePass(decode, this.#active, options)
    const sequences = pass.length + fillers.length
    // Where all have a token together the next step is the same.
    const steps = pass.length === this.#active.length ? stepsUntilDone(pass, REPORT_TOKENS) : 1
    const stepMs = passMs(this.profile, sequences)
    return { startMs: nowMs, stepMs, steps, pass, sequences, others, read: [] }
  }

  #readingMs(read: readonly { tokens: number }[]): number {
    return (1000 * tokensOf(read)) / this.profile.readTokensPerS
  }
}

const byIndex = (a: SimTicket, b: SimTicket) => a.index - b.index

const pieceOf = ({ candidate: { request, unread }, tokens }: Piece<SimTicket>) => ({
  position: request.inputTokens - unread,
  tokens,
})
