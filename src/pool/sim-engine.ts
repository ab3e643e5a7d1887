/**
 * The model of an engine with continuous batching: whole steps that give every stream in them a
 * token and read pieces of prompts, better-ranked prompts first. Steps of the same composition are
 * computed at once. What it leaves out: context lengths within a step, sampling, the network.
 */
import { RANKS_PER_CLASS } from '../base/index.ts'
import type { HeapMember } from './heap.ts'
import { SimPrefixCache } from './sim-prefix-cache.ts'
import { decodeStepMs, type EngineProfile } from './sim-profile.ts'
import type { SimOutcome, SimTicket } from './sim-types.ts'

/** Answers are reported after this many tokens or a little more, never more than twice as many. */
const REPORT_TOKENS = 8
/** Share of the memory that prefixes may fill. */
const PREFIX_SHARE = 0.5
const BARELY_MS = 1e-6
/** Part of the memory that background prompts leave free where they stand aside. */
const KEPT_FREE_SHARE = 0.1
/** Part of a step's tokens that prompts of the next ranks of the same class may have. */
const NEXT_RANKS_SHARE = 1 / 8
/** Longest time that a stream stands aside for better-ranked prompts. */
const YIELD_MS_MAX = 2000
/** The best rank of background classes. */
const BACKGROUND_RANK = 2 * RANKS_PER_CLASS
/** After this long aside a stream goes before others of its class. */
const TURN_MS = 1000

export interface SimEngineEvents {
  promptRead(ticket: SimTicket, nowMs: number): void
  progressed(ticket: SimTicket, nowMs: number): void
  preempted(ticket: SimTicket, tokens: number, nowMs: number): void
  ended(ticket: SimTicket, outcome: SimOutcome, nowMs: number): void
}

interface Segment {
  startMs: number
  stepMs: number
  steps: number
  decode: readonly SimTicket[]
  /** Tokens of prompts read in each step. */
  read: readonly { ticket: SimTicket; tokens: number }[]
}

export class SimEngine implements HeapMember {
  index = -1
  readonly order = 0
  /** When the running segment ends; infinite while nothing runs. */
  endMs = Number.POSITIVE_INFINITY
  /** Milliseconds in which it computed something. */
  busyMs = 0
  readonly id: string
  readonly profile: EngineProfile
  readonly #events: SimEngineEvents
  readonly #prefixes: SimPrefixCache
  readonly #stepMs: number[]
  readonly #readMs: number
  #waiting: SimTicket[] = []
  #reading: SimTicket[] = []
  #decoding: SimTicket[] = []
  #segment: Segment | undefined
  /** Tokens of the running requests in memory. */
  #kvTokens = 0

  constructor(id: string, profile: EngineProfile, events: SimEngineEvents) {
    this.id = id
    this.profile = profile
    this.#events = events
    this.#prefixes = new SimPrefixCache(profile.prefixCache ? profile.kvTokens * PREFIX_SHARE : 0)
    const most = 2 * (profile.cap + profile.express) + 1
    this.#stepMs = Array.from({ length: most }, (_, streams) => decodeStepMs(profile, streams))
    this.#readMs = 1000 / profile.readTokensPerS
  }

  /** Requests it holds, those that wait for memory included. */
  get held(): number {
    return this.#waiting.length + this.#reading.length + this.#decoding.length
  }

  get isIdle(): boolean {
    return this.#segment === undefined
  }

  /** Takes a request; it joins with the next step. */
  add(ticket: SimTicket, nowMs: number): void {
    this.#waiting.push(ticket)
    this.cut(nowMs)
  }

  /** Ends the running segment with the step that is under way. */
  cut(nowMs: number): void {
    const segment = this.#segment
    if (segment === undefined) return
    const done = Math.ceil((nowMs - segment.startMs) / segment.stepMs - BARELY_MS)
    if (done <= 0) {
      this.#segment = undefined
      this.endMs = Number.POSITIVE_INFINITY
    } else if (done < segment.steps) {
      segment.steps = done
      this.endMs = segment.startMs + done * segment.stepMs
    }
  }

  /** Carries out the segment that ends now; its events are told before this returns. */
  complete(nowMs: number): void {
    const segment = this.#segment
    if (segment === undefined) return
    this.#segment = undefined
    this.endMs = Number.POSITIVE_INFINITY
    this.busyMs += segment.steps * segment.stepMs
    let anyDone = false
    for (const ticket of segment.decode) {
      ticket.generated += segment.steps
      ticket.lastTokenMs = nowMs
      if (ticket.generated >= ticket.request.outputTokens) anyDone = true
      else if (ticket.generated - ticket.reported >= REPORT_TOKENS) {
        this.#events.progressed(ticket, nowMs)
      }
    }
    this.#kvTokens += segment.decode.length * segment.steps
    if (this.#read(segment, nowMs)) anyDone = true
    if (anyDone) this.#endDone(nowMs)
  }

  /** Plans the next segment where none runs. */
  plan(nowMs: number): void {
    if (this.#segment !== undefined) return
    this.#admit(nowMs)
    this.#segment = this.#reading.length > 0 ? this.#planReading(nowMs) : this.#planDecoding(nowMs)
    if (this.#segment === undefined) return
    this.endMs = nowMs + this.#segment.steps * this.#segment.stepMs
  }

  /** @returns true where a request is done with its first token */
  #read(segment: Segment, nowMs: number): boolean {
    let anyDone = false
    for (const { ticket, tokens } of segment.read) {
      ticket.unread -= tokens * segment.steps
      if (ticket.unread > 0) continue
      ticket.unread = 0
      this.#reading.splice(this.#reading.indexOf(ticket), 1)
      this.#decoding.push(ticket)
      if (ticket.firstTokenMs === undefined) {
        ticket.firstTokenMs = nowMs
        if (this.profile.prefixCache) {
          this.#prefixes.store(ticket.request.tenant, ticket.request.prefix)
        }
        this.#events.promptRead(ticket, nowMs)
      }
      ticket.generated++
      ticket.lastTokenMs = nowMs
      this.#kvTokens++
      if (ticket.generated >= ticket.request.outputTokens) anyDone = true
    }
    return anyDone
  }

  #endDone(nowMs: number): void {
    const done = this.#decoding.filter((one) => one.generated >= one.request.outputTokens)
    this.#decoding = this.#decoding.filter((one) => one.generated < one.request.outputTokens)
    for (const ticket of done) {
      this.#kvTokens -= ticket.uncachedTokens + ticket.generated
      this.#events.ended(ticket, 'done', nowMs)
    }
  }

  /** Gives up requests whose callers have left; only between two segments. */
  dropAborted(nowMs: number): void {
    if (this.#segment !== undefined) return
    const isGone = (ticket: SimTicket) => ticket.aborted
    if (![this.#waiting, this.#reading, this.#decoding].some((list) => list.some(isGone))) return
    const gone = [...this.#reading, ...this.#decoding].filter(isGone)
    for (const ticket of gone) this.#kvTokens -= ticket.uncachedTokens + ticket.generated
    for (const ticket of [...this.#waiting.filter(isGone), ...gone]) {
      this.#events.ended(ticket, 'aborted', nowMs)
    }
    this.#waiting = this.#waiting.filter((ticket) => !ticket.aborted)
    this.#reading = this.#reading.filter((ticket) => !ticket.aborted)
    this.#decoding = this.#decoding.filter((ticket) => !ticket.aborted)
  }

  /** Memory that running requests do not hold; kept prefixes that none of them uses give way. */
  get #roomTokens(): number {
    let shared = 0
    for (const { request, uncachedTokens } of [...this.#reading, ...this.#decoding]) {
      shared += Math.max(0, request.inputTokens - uncachedTokens)
    }
    return this.profile.kvTokens - Math.min(shared, this.#prefixes.tokens) - this.#kvTokens
  }

  /**
   * Lets requests in while their prompts fit the memory, best rank first. Background prompts leave
   * some of it free; where interactive ones need more, background streams that stand aside give
   * theirs back.
   */
  #admit(nowMs: number): void {
    if (this.#waiting.length === 0) return
    this.#waiting.sort((a, b) => a.rank - b.rank || a.order - b.order)
    while (this.#waiting.length > 0) {
      const ticket = this.#waiting[0] as SimTicket
      const { inputTokens, prefix, tenant } = ticket.request
      const cached = this.profile.prefixCache ? this.#prefixes.hit(tenant, prefix) : 0
      const uncached = Math.max(1, inputTokens - cached)
      const needed = uncached + ticket.generated
      const isAlone = this.#reading.length + this.#decoding.length === 0
      const isBackground = this.profile.yields === 'step' && ticket.rank >= BACKGROUND_RANK
      const kept = isBackground ? KEPT_FREE_SHARE * this.profile.kvTokens : 0
      if (!isAlone && needed + kept > this.#roomTokens) {
        if (isBackground || !this.#evict(needed, nowMs)) return
      }
      this.#prefixes.shrink(this.profile.kvTokens - this.#kvTokens - needed)
      this.#waiting.shift()
      ticket.uncachedTokens = uncached
      ticket.unread = needed
      this.#kvTokens += needed
      this.#reading.push(ticket)
    }
  }

  /** Takes back memory from background work until a prompt fits; false where it cannot. */
  #evict(neededTokens: number, nowMs: number): boolean {
    if (this.profile.yields !== 'step') return false
    while (neededTokens > this.#roomTokens) {
      const victim = [...this.#reading, ...this.#decoding]
        .filter(({ rank }) => rank >= BACKGROUND_RANK)
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
    this.#kvTokens -= held
    this.#waiting.push(victim)
    this.#events.preempted(victim, held - victim.unread, nowMs)
  }

  #planDecoding(nowMs: number): Segment | undefined {
    if (this.#decoding.length === 0) return undefined
    this.#makeRoom(nowMs)
    const decode = this.#withinRoom(nowMs)
    const steps = stepsUntilDone(decode, REPORT_TOKENS)
    return { startMs: nowMs, stepMs: this.#decodeMs(decode.length), steps, decode, read: [] }
  }

  #planReading(nowMs: number): Segment {
    this.#makeRoom(nowMs)
    const { yields, chunkTokens, chunkTokensAlone, chunkTokensBackground } = this.profile
    const isStep = yields === 'step'
    this.#reading.sort(yields === 'none' ? begunFirst : bestFirst)
    const best = this.#reading[0]?.rank ?? 0
    const streams = this.#withinRoom(nowMs)
    const isApart = chunkTokensBackground !== undefined
    const decode = isStep ? besideReading(streams, best, nowMs, isApart) : streams
    const isBackground = isStep && best >= BACKGROUND_RANK
    const chunk =
      (isBackground ? chunkTokensBackground : undefined) ??
      (decode.length > 0 ? chunkTokens : chunkTokensAlone)
    const read: { ticket: SimTicket; tokens: number }[] = []
    let left = chunk
    let isBeyond = false
    for (const ticket of this.#reading) {
      if (isStep && ticket.rank > best) {
        if (!isApart || classOf(ticket) > Math.floor(best / RANKS_PER_CLASS)) break
        if (!isBeyond) left = Math.min(left, Math.floor(chunk * NEXT_RANKS_SHARE))
        isBeyond = true
      }
      if (left === 0) break
      const tokens = Math.min(left, ticket.unread)
      read.push({ ticket, tokens })
      left -= tokens
    }
    const [first] = read
    const isOneLong = first !== undefined && read.length === 1 && first.tokens === chunk
    const most = isOneLong ? Math.min(REPORT_TOKENS, Math.floor(first.ticket.unread / chunk)) : 1
    const readTokens = read.reduce((total, { tokens }) => total + tokens, 0)
    const stepMs = this.#decodeMs(decode.length) + readTokens * this.#readMs
    return { startMs: nowMs, stepMs, steps: stepsUntilDone(decode, most), decode, read }
  }

  /** Streams of the next step: beyond cap and express those of worse classes stand aside. */
  #withinRoom(nowMs: number): readonly SimTicket[] {
    const room = this.profile.cap + this.profile.express
    const streams = this.#decoding
    if (streams.length <= room || this.profile.yields !== 'step') return streams.slice()
    const best = Math.min(...streams.map(classOf))
    const isDue = (stream: SimTicket) => (nowMs - stream.lastTokenMs > TURN_MS ? 0 : 1)
    const others = streams
      .filter((stream) => classOf(stream) > best)
      .sort((a, b) => classOf(a) - classOf(b) || isDue(a) - isDue(b) || a.order - b.order)
    const aside = new Set(others.slice(Math.max(0, others.length - (streams.length - room))))
    return streams.filter((stream) => !aside.has(stream))
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

/**
 * Streams that take their step along while prompts of this rank are read: all where one of them
 * ranks as high as the prompt, and those that were aside for too long.
 * @param isApart background streams step beside no prompt, unless interactive ones step beside a
 *   background prompt
 */
function besideReading(
  streams: readonly SimTicket[],
  best: number,
  nowMs: number,
  isApart: boolean,
): SimTicket[] {
  const isInteractive = ({ rank }: SimTicket) => rank < BACKGROUND_RANK
  const isShared = streams.some(
    (stream) => stream.rank <= best && (isInteractive(stream) || !isApart),
  )
  const isKept = (stream: SimTicket) => !isApart || best >= BACKGROUND_RANK || isInteractive(stream)
  return streams.filter(
    (stream) => nowMs - stream.lastTokenMs > YIELD_MS_MAX || (isShared && isKept(stream)),
  )
}

const classOf = ({ rank }: SimTicket) => Math.floor(rank / RANKS_PER_CLASS)

const bestFirst = (a: SimTicket, b: SimTicket) =>
  a.rank - b.rank || a.unread - b.unread || a.order - b.order

/** A prompt that has been begun goes on, whoever comes. */
function begunFirst(a: SimTicket, b: SimTicket): number {
  const isBegun = (one: SimTicket) => (one.unread < one.uncachedTokens + one.generated ? 0 : 1)
  return isBegun(a) - isBegun(b) || a.rank - b.rank || a.order - b.order
}

/** Steps until the first of these streams is done, at most so many. */
function stepsUntilDone(streams: readonly SimTicket[], most: number): number {
  let steps = most
  for (const { request, generated } of streams) {
    const left = request.outputTokens - generated
    if (left < steps) steps = left
  }
  return Math.max(1, steps)
}
