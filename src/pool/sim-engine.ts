/**
 * The model of an engine with continuous batching: whole steps that give streams a token and read
 * pieces of prompts, both at once, or either where it stands aside by step. Steps of the same
 * composition are computed at once. Where steps read or write, production's own planner says what
 * is in them. What it leaves out: context lengths within a step, passes for sequences that are no
 * neighbours (the model of our own has them), sampling, the network.
 */
import {
  BackgroundTurn,
  isBackground,
  notePassed,
  type Piece,
  planStep,
  type ReadStep,
} from '../base/index.ts'
import { SimPrefixCache } from './sim-prefix-cache.ts'
import { decodeStepMs, type EngineProfile } from './sim-profile.ts'
import {
  begunFirst,
  bestFirst,
  cutShort,
  endOf,
  enoughStreams,
  piecesOf,
  REPORT_TOKENS,
  type StepRow,
  stepsOfOnePiece,
  stepsUntilDone,
  tokensOf,
  YIELD_MS_MAX,
} from './sim-step.ts'
import type { SimEngineEvents, SimEngineModel, SimTicket } from './sim-types.ts'

/** Share of the memory that prefixes may fill. */
const PREFIX_SHARE = 0.5
/** Part of the memory that background prompts leave free where they stand aside. */
const KEPT_FREE_SHARE = 0.1

interface Segment extends StepRow {
  decode: readonly SimTicket[]
  /** Tokens of prompts read in each step. */
  read: readonly Piece<SimTicket>[]
}

export class SimEngine implements SimEngineModel {
  index = -1
  readonly order = 0
  endMs = Number.POSITIVE_INFINITY
  busyMs = 0
  readonly id: string
  readonly profile: EngineProfile
  readonly #events: SimEngineEvents
  readonly #prefixes: SimPrefixCache
  readonly #stepMs: number[]
  readonly #readMs: number
  #waiting: SimTicket[] = []
  /** Best rank first. */
  #isSorted = true
  #reading: SimTicket[] = []
  #decoding: SimTicket[] = []
  /** Both of these as the planner wants them; made anew when they have changed. */
  #running: SimTicket[] | undefined
  /** True where somebody may have left whose request is still here. */
  #hasAborted = false
  #segment: Segment | undefined
  /** Tokens of the running requests in memory, and of those that they share with kept prefixes. */
  #kvTokens = 0
  #sharedTokens = 0
  /** Tokens of prompts read since streams had their last token. */
  #readTokens = 0
  /** Streams of people beside which background ones wait. */
  readonly #enough: number
  /** What a stream takes of a full step. */
  readonly #streamMs: number
  readonly #backgroundTurn = new BackgroundTurn()

  constructor(id: string, profile: EngineProfile, events: SimEngineEvents) {
    this.id = id
    this.profile = profile
    this.#events = events
    this.#prefixes = new SimPrefixCache(profile.prefixCache ? profile.kvTokens * PREFIX_SHARE : 0)
    const most = 2 * (profile.cap + profile.express) + 1
    this.#stepMs = Array.from({ length: most }, (_, streams) => decodeStepMs(profile, streams))
    this.#readMs = 1000 / profile.readTokensPerS
    this.#enough = enoughStreams(profile)
    this.#streamMs = this.#decodeMs(this.#room) / this.#room
  }

  get held(): number {
    return this.#waiting.length + this.#reading.length + this.#decoding.length
  }

  get isIdle(): boolean {
    return this.#segment === undefined
  }

  add(ticket: SimTicket, nowMs: number): void {
    this.#wait(ticket)
    this.cut(nowMs)
  }

  abort(ticket: SimTicket, nowMs: number): void {
    ticket.aborted = true
    this.#hasAborted = true
    this.cut(nowMs)
  }

  #wait(ticket: SimTicket): void {
    this.#waiting.push(ticket)
    this.#isSorted = false
  }

  /** Ends the running segment with the step that is under way. */
  cut(nowMs: number): void {
    if (this.#segment === undefined) return
    this.#segment = cutShort(this.#segment, nowMs)
    this.endMs = endOf(this.#segment)
  }

  complete(nowMs: number): void {
    const segment = this.#segment
    if (segment === undefined) return
    this.#segment = undefined
    this.endMs = Number.POSITIVE_INFINITY
    const durationMs = segment.steps * segment.stepMs
    this.busyMs += durationMs
    if (this.profile.yields === 'step') this.#noteTurn(segment.decode, durationMs)
    const readTokens = segment.steps * tokensOf(segment.read)
    this.#readTokens = segment.decode.length > 0 ? 0 : this.#readTokens + readTokens
    let anyDone = false
    for (const ticket of segment.decode) {
      ticket.generated += segment.steps
      ticket.lastStepMs = nowMs
      if (ticket.generated >= ticket.request.outputTokens) anyDone = true
      else if (ticket.generated - ticket.reported >= REPORT_TOKENS) {
        this.#events.progressed(ticket, nowMs)
      }
    }
    this.#kvTokens += segment.decode.length * segment.steps
    if (this.#read(segment, nowMs)) anyDone = true
    if (anyDone) this.#endDone(nowMs)
  }

  #noteTurn(decode: readonly SimTicket[], durationMs: number): void {
    const candidates = this.#candidates()
    this.#backgroundTurn.note({ candidates, decode, durationMs, streamMs: this.#streamMs })
  }

  plan(nowMs: number): void {
    if (this.#segment !== undefined) return
    this.#admit(nowMs)
    this.#segment = this.#planSegment(nowMs)
    if (this.#segment === undefined) return
    this.endMs = endOf(this.#segment)
  }

  /** @returns true where a request is done with its first token */
  #read(segment: Segment, nowMs: number): boolean {
    let anyDone = false
    for (let step = 0; step < segment.steps; step++) notePassed(this.#reading, segment.read)
    for (const { candidate: ticket, tokens } of segment.read) {
      ticket.unread -= tokens * segment.steps
      ticket.lastStepMs = nowMs
      if (ticket.unread > 0) continue
      ticket.unread = 0
      this.#reading.splice(this.#reading.indexOf(ticket), 1)
      this.#decoding.push(ticket)
      this.#running = undefined
      if (ticket.firstTokenMs === undefined) {
        ticket.firstTokenMs = nowMs
        if (this.profile.prefixCache) {
          this.#prefixes.store(ticket.request.tenant, ticket.request.prefix)
        }
        this.#events.promptRead(ticket, nowMs)
      }
      ticket.generated++
      this.#kvTokens++
      if (ticket.generated >= ticket.request.outputTokens) anyDone = true
    }
    return anyDone
  }

  #endDone(nowMs: number): void {
    const done = this.#decoding.filter((one) => one.generated >= one.request.outputTokens)
    this.#decoding = this.#decoding.filter((one) => one.generated < one.request.outputTokens)
    for (const ticket of done) {
      this.#forget(ticket)
      this.#events.ended(ticket, 'done', nowMs)
    }
  }

  dropAborted(nowMs: number): void {
    if (this.#segment !== undefined || !this.#hasAborted) return
    this.#hasAborted = false
    const isGone = (ticket: SimTicket) => ticket.aborted
    const gone = [...this.#reading, ...this.#decoding].filter(isGone)
    for (const ticket of gone) this.#forget(ticket)
    for (const ticket of [...this.#waiting.filter(isGone), ...gone]) {
      this.#events.ended(ticket, 'aborted', nowMs)
    }
    this.#waiting = this.#waiting.filter((ticket) => !ticket.aborted)
    this.#reading = this.#reading.filter((ticket) => !ticket.aborted)
    this.#decoding = this.#decoding.filter((ticket) => !ticket.aborted)
  }

  /** It holds no memory any more. */
  #forget(ticket: SimTicket): void {
    this.#kvTokens -= ticket.uncachedTokens + ticket.generated
    this.#sharedTokens -= sharedTokens(ticket)
    this.#running = undefined
  }

  /** Memory that running requests do not hold; kept prefixes that none of them uses give way. */
  get #roomTokens(): number {
    const shared = Math.min(this.#sharedTokens, this.#prefixes.tokens)
    return this.profile.kvTokens - shared - this.#kvTokens
  }

  /**
   * Lets requests in while their prompts fit the memory, best rank first. Background prompts leave
   * some of it free, and come in one after another, or those that nobody reads would take it
   * from kept prefixes; where interactive ones need more, background streams that stand aside
   * give theirs back.
   */
  #admit(nowMs: number): void {
    if (this.#waiting.length === 0) return
    if (!this.#isSorted) this.#waiting.sort((a, b) => a.rank - b.rank || a.order - b.order)
    this.#isSorted = true
    while (this.#waiting.length > 0) {
      const ticket = this.#waiting[0] as SimTicket
      const { inputTokens, prefix, tenant } = ticket.request
      const cached = this.profile.prefixCache ? this.#prefixes.hit(tenant, prefix) : 0
      const uncached = Math.max(1, inputTokens - cached)
      const needed = uncached + ticket.generated
      const isAlone = this.#reading.length + this.#decoding.length === 0
      const standsAside = this.profile.yields === 'step' && isBackground(ticket)
      if (standsAside && this.#reading.some(isBackground)) return
      const kept = standsAside ? KEPT_FREE_SHARE * this.profile.kvTokens : 0
      if (!isAlone && needed + kept > this.#roomTokens) {
        if (standsAside || !this.#evict(needed, nowMs)) return
      }
      this.#prefixes.shrink(this.profile.kvTokens - this.#kvTokens - needed)
      this.#waiting.shift()
      ticket.uncachedTokens = uncached
      ticket.unread = needed
      ticket.toRead = needed
      ticket.passedTokens = 0
      ticket.lastStepMs = nowMs
      this.#kvTokens += needed
      this.#sharedTokens += sharedTokens(ticket)
      this.#running = undefined
      this.#reading.push(ticket)
    }
  }

  /** Takes back memory from background work until a prompt fits; false where it cannot. */
  #evict(neededTokens: number, nowMs: number): boolean {
    if (this.profile.yields !== 'step') return false
    while (neededTokens > this.#roomTokens) {
      const victim = [...this.#reading, ...this.#decoding]
        .filter(isBackground)
        .sort((a, b) => b.rank - a.rank || b.order - a.order)[0]
      if (victim === undefined) return false
      this.#preempt(victim, nowMs)
    }
    return true
  }

  /** It waits again, and what was computed for it is lost. */
  #preempt(victim: SimTicket, nowMs: number): void {
    const held = victim.uncachedTokens + victim.generated
    const from = victim.unread > 0 ? this.#reading : this.#decoding
    from.splice(from.indexOf(victim), 1)
    this.#forget(victim)
    this.#wait(victim)
    this.#events.preempted(victim, held - victim.unread, nowMs)
  }

  #planSegment(nowMs: number): Segment | undefined {
    this.#makeRoom(nowMs)
    if (this.profile.yields === 'step') return this.#planTurn(nowMs)
    return this.#reading.length > 0 ? this.#planReading(nowMs) : this.#writing(nowMs)
  }

  #planReading(nowMs: number): Segment {
    const { yields, chunkTokens, chunkTokensAlone } = this.profile
    this.#reading.sort(yields === 'none' ? begunFirst : bestFirst)
    const decode = this.#decoding.slice()
    const chunk = decode.length > 0 ? chunkTokens : chunkTokensAlone
    const read = piecesOf(this.#reading, chunk)
    const stepMs = this.#decodeMs(decode.length) + tokensOf(read) * this.#readMs
    const steps = stepsUntilDone(decode, stepsOfOnePiece(read, chunk))
    return { startMs: nowMs, stepMs, steps, decode, read }
  }

  #writing(nowMs: number, decode = this.#decoding.slice()): Segment | undefined {
    if (decode.length === 0) return undefined
    const steps = this.#reading.length > 0 ? 1 : stepsUntilDone(decode, REPORT_TOKENS)
    return { startMs: nowMs, stepMs: this.#decodeMs(decode.length), steps, decode, read: [] }
  }

  /** A step that reads or one that writes; prompts and the streams beside them take turns. */
  #planTurn(nowMs: number): Segment | undefined {
    let [piece, left] = [0, 0]
    const plan = planStep(this.#candidates(), {
      room: this.#room,
      enough: this.#enough,
      yieldMsMax: YIELD_MS_MAX,
      readMs: this.#readTokens * this.#readMs,
      backgroundShare: this.#backgroundTurn.share,
      nowMs,
      readBudget: (step) => {
        const { chunkTokensAlone } = this.profile
        piece = step.standing === 'background' ? this.#backgroundPiece : chunkTokensAlone
        left = this.#turnTokens(step) - this.#readTokens
        return Math.min(left, piece)
      },
    })
    if (plan === undefined || plan.decode.length > 0) return this.#writing(nowMs, plan?.decode)
    const { read } = plan
    const chunk = Math.min(left, piece)
    const steps = Math.min(Math.floor(left / chunk), stepsOfOnePiece(read, chunk))
    return { startMs: nowMs, stepMs: tokensOf(read) * this.#readMs, steps, decode: [], read }
  }

  /** It knows no sequences: of streams as near as others those later in this list go on. */
  #candidates(): SimTicket[] {
    this.#running ??= [...this.#reading, ...this.#decoding.toReversed()]
    return this.#running
  }

  /** Prompt tokens between two tokens of streams. */
  #turnTokens({ decoders, standing, turnShare }: ReadStep): number {
    // Where nobody waits for anything, all prompts are read before streams go on.
    const isForNobody = standing === 'background' && this.#decoding.every(isBackground)
    if (decoders === 0 || isForNobody) return Number.POSITIVE_INFINITY
    return Math.floor(turnShare * this.profile.chunkTokens)
  }

  /** Streams of one step at most, where some are of a better class. */
  get #room(): number {
    return this.profile.cap + this.profile.express
  }

  /** Whoever comes waits for a piece of background prompts no longer than for a step of the cap. */
  get #backgroundPiece(): number {
    return Math.max(1, Math.floor(this.#decodeMs(this.profile.cap) / this.#readMs))
  }

  /** Takes memory from the worst-ranked, youngest streams where the next steps would not fit. */
  #makeRoom(nowMs: number): void {
    while (this.#decoding.length > 1 && this.#decoding.length * REPORT_TOKENS > this.#roomTokens) {
      const worst = this.#decoding.reduce((a, b) =>
        b.rank > a.rank || (b.rank === a.rank && b.order > a.order) ? b : a,
      )
      this.#preempt(worst, nowMs)
    }
  }

  #decodeMs(streams: number): number {
    return this.#stepMs[streams] ?? decodeStepMs(this.profile, streams)
  }
}

/** Of a prompt what its engine had read before it came. */
const sharedTokens = ({ request, uncachedTokens }: SimTicket) =>
  Math.max(0, request.inputTokens - uncachedTokens)
