/**
 * Drives all sequences in lockstep: every step is one batch, and between two steps nothing runs in
 * the library, so that sequences can be cleared, prompts admitted and streams ended at once. A
 * token is handed on as soon as it is sampled, while the library samples those of the others; the
 * last one of a step waits until the next step computes, so that no core waits for it.
 */
import { setImmediate } from 'node:timers/promises'
import type { Token } from 'node-llama-cpp'
import {
  BackgroundTurn,
  type Clock,
  choosePass,
  GristmillError,
  isBackground,
  notePassed,
  type Pace,
  planStep,
  SequencePool,
  type StepCandidate,
  type StepPlan,
  type StepRoom,
  type TakenSequence,
} from '../base/index.ts'
import { bringTogether } from './bring-together.ts'
import { engineFailed } from './engine-failed.ts'
import type { GenerationEnd, GenerationRequest, SampledToken } from './generation.ts'
import { FILLED_TOKENS_MAX, type Runner } from './runner.ts'
import type { StepReport } from './step-report.ts'
import type { ThreadChoice } from './thread-choice.ts'
import { TurnWatch } from './turn-watch.ts'

export interface DriverOptions extends StepRoom {
  runners: readonly Runner[]
  clock: Clock
  pace: Pace
  threads: ThreadChoice
  /** Sets the number of threads of the steps to come. */
  setThreads(count: number): void
  /** Requests that may wait for a sequence. */
  waitingMax: number
  isEndToken(token: Token): boolean
  /** Called after each step, while nothing runs in the library. */
  onStep(report: StepReport): void
}

interface Waiting {
  request: GenerationRequest
  order: number
  resolve(end: GenerationEnd): void
  reject(error: unknown): void
}

interface Active extends Waiting, StepCandidate {
  runner: Runner
  /** Position of its sequence. */
  index: number
  position: number
  startedMs: number
  firstTokenMs: number | undefined
  /** Tokens of this generation (`progress` adds up all choices of a request). */
  generated: number
  /** How it has ended; a token that is being computed meanwhile is dropped. */
  end: GenerationEnd | undefined
  /** What has failed. */
  error: unknown
}

/** An idle engine starts when no request has arrived for this long, milliseconds. */
const GATHER_QUIET_MS = 2
const GATHER_MS_MAX = 8

export class Driver {
  readonly #options: DriverOptions
  readonly #pool: SequencePool<Runner, readonly Token[]>
  readonly #active = new Set<Active>()
  #waiting: Waiting[] = []
  /** The last token of the last step, which is still to be handed on. */
  #kept: { active: Active; sampled: SampledToken } | undefined
  #between: (() => Promise<void>)[] = []
  #order = 0
  #running = false
  #woken = false
  #lastArrivalMs = 0
  /** Time spent on prompts since streams had their last token. */
  #readMs = 0
  /** When the last prompt tokens had been read. */
  #lastReadMs = Number.NEGATIVE_INFINITY
  readonly #backgroundTurn = new BackgroundTurn()
  readonly turns: TurnWatch

  constructor(options: DriverOptions) {
    this.#options = options
    this.#pool = new SequencePool(options.runners)
    this.turns = new TurnWatch(options.clock)
  }

  /** Those that have a sequence coming at the next step do not count as waiting. */
  get counts(): { running: number; waiting: number; slots: number } {
    return {
      running: this.#active.size,
      waiting: Math.max(0, this.#waiting.length - this.#pool.free),
      slots: this.#pool.size,
    }
  }

  /**
   * Generates until the request ends in one of the ways of `GenerationEnd`.
   * @throws GristmillError `engine_queue_full` when too many wait, `engine_failed` when the library
   * fails
   */
  run(request: GenerationRequest): Promise<GenerationEnd> {
    if (request.signal.aborted) return Promise.resolve('aborted')
    if (this.#pool.free === 0 && this.#waiting.length >= this.#options.waitingMax)
      throw new GristmillError(
        'engine_queue_full',
        { waiting: this.#waiting.length },
        { retryAfterMs: 1000 },
      )
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, order: this.#order++, resolve, reject })
      this.#lastArrivalMs = this.#options.clock.monotonicMs()
      this.#wake()
    })
  }

  /** Runs `work` between two steps, while no sequence computes; keep it short. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#between.push(() => work().then(resolve, reject))
      this.#wake()
    })
  }

  /** Looks again at requests that are paused or aborted; call it when either changes. */
  wake(): void {
    this.#wake()
  }

  #wake(): void {
    this.#woken = true
    if (this.#running) return
    this.#running = true
    void this.#gather()
  }

  /** Waits a moment, so that requests that arrive together share the first step. */
  async #gather(): Promise<void> {
    const { clock } = this.#options
    const beganMs = clock.monotonicMs()
    const isQuiet = () => {
      const nowMs = clock.monotonicMs()
      return nowMs - this.#lastArrivalMs >= GATHER_QUIET_MS || nowMs - beganMs >= GATHER_MS_MAX
    }
    do await setImmediate()
    while (!isQuiet())
    await this.#loop()
  }

  async #loop(): Promise<void> {
    for (;;) {
      this.#woken = false
      this.turns.begin()
      await this.#removeEnded()
      await this.#between.shift()?.()
      await this.#admit()
      const plan = this.#plan()
      if (plan) await this.#step(plan)
      else if (this.#kept) this.#handOnKept()
      // Whatever arrived since the top of this turn may have been missed by it.
      else if (this.#between.length === 0 && !this.#woken) break
    }
    this.turns.end()
    this.#running = false
  }

  async #removeEnded(): Promise<void> {
    for (const waiting of this.#waiting)
      if (waiting.request.signal.aborted) waiting.resolve('aborted')
    this.#waiting = this.#waiting.filter(({ request }) => !request.signal.aborted)
    for (const active of [...this.#active]) {
      if (active.request.signal.aborted) active.end ??= 'aborted'
      if (active.error === undefined && active.end === undefined) continue
      await this.#release(active)
      if (active.error !== undefined) active.reject(engineFailed(active.error))
      else if (active.end !== undefined) active.resolve(active.end)
    }
  }

  /** Gives free sequences to those who wait, best rank first, then in order of arrival. */
  async #admit(): Promise<void> {
    if (this.#waiting.length === 0) return
    this.#waiting.sort((a, b) => a.request.priority - b.request.priority || a.order - b.order)
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Waiting
      const { cacheSalt, prompt } = first.request
      const taken = this.#pool.take(
        cacheSalt,
        prompt,
        isBackground({ rank: first.request.priority }),
      )
      if (!taken) return
      this.#waiting.shift()
      await this.#begin(first, taken)
    }
  }

  async #begin(waiting: Waiting, taken: TakenSequence<Runner>): Promise<void> {
    const { request } = waiting
    const { sequence: runner, index, reusable } = taken
    const nowMs = this.#options.clock.monotonicMs()
    try {
      // At least one token must be read to have something to sample from.
      const kept = await runner.keep(Math.min(reusable, request.prompt.length - 1))
      const counted = request.countsPrompt ? kept : 0
      request.progress.promptTokens += counted
      request.progress.cachedTokens += counted
      this.#active.add({
        ...waiting,
        runner,
        index,
        position: kept,
        startedMs: nowMs,
        firstTokenMs: undefined,
        lastStepMs: nowMs,
        generated: 0,
        end: undefined,
        error: undefined,
        rank: request.priority,
        unread: request.prompt.length - kept,
        toRead: request.prompt.length - kept,
        passedTokens: 0,
        paused: false,
      })
    } catch (error) {
      this.#pool.giveBack(runner)
      waiting.reject(engineFailed(error))
    }
  }

  #plan(): StepPlan<Active> | undefined {
    const nowMs = this.#options.clock.monotonicMs()
    for (const active of this.#active) active.paused = active.request.isPaused()
    const { pace, room, enough, yieldMsMax } = this.#options
    // In order of their sequences: llama.cpp computes 0, 1, 2 in one pass and 2, 1, 0 in three.
    const ordered = [...this.#active].sort((a, b) => a.index - b.index)
    const limits = { room, enough, yieldMsMax, readMs: this.#readMs, nowMs }
    return planStep(ordered, {
      ...limits,
      backgroundShare: this.#backgroundTurn.share,
      readBudget: (step, next) => pace.readBudget(step, next),
    })
  }

  async #step(plan: StepPlan<Active>): Promise<void> {
    const { clock, pace, room, threads, onStep } = this.#options
    const moves = await bringTogether(plan.decode, this.#active, { pool: this.#pool, pace, clock })
    const decode = plan.decode.filter(({ error }) => error === undefined)
    if (decode.length + plan.read.length === 0) return
    const candidates = [...this.#active]
    const startMs = clock.monotonicMs()
    const { pass, fillers, others } = choosePass(decode, this.#active, {
      pool: this.#pool,
      pace,
      heldTokens: ({ runner }) => runner.heldTokens(),
    })
    const readTokens = plan.read.reduce((sum, { tokens }) => sum + tokens, 0)
    const reading = plan.read.toSorted((a, b) => a.candidate.index - b.candidate.index)
    const pieces = plan.read.map(({ candidate: { position }, tokens }) => ({ position, tokens }))
    notePassed(this.#active, plan.read)
    const step = { open: pass.length + plan.read.length }
    for (const runner of fillers) {
      if (runner.filledTokens() >= FILLED_TOKENS_MAX) await runner.keep(runner.heldTokens())
    }
    const threadCount = threads.next(startMs)
    this.#options.setThreads(threadCount)
    const failed: Runner[] = []
    // One that fails has lost its state.
    const filled = fillers.map((runner) => runner.fill().catch(() => failed.push(runner)))
    const work = [
      ...pass.map((active) => this.#attempt(step, active, () => active.runner.next())),
      ...reading.map(({ candidate, tokens }) =>
        this.#attempt(step, candidate, () => this.#read(candidate, tokens)),
      ),
    ]
    const [stepped] = await Promise.all([
      Promise.all(work),
      this.#handOnWhileComputing(),
      ...filled,
    ])
    const endMs = clock.monotonicMs()
    for (const runner of failed) await runner.keep(0)
    for (const active of stepped) active.lastStepMs = endMs
    const durationMs = endMs - startMs
    if (pass.length === 0) {
      this.#readMs += durationMs
      this.#lastReadMs = endMs
    } else if (others.every(({ lastStepMs }) => lastStepMs > this.#lastReadMs)) {
      // The streams' turn is over once all have had their token.
      this.#readMs = 0
    }
    const sequences = pass.length + fillers.length
    const expectedMs = pace.expectedMs(sequences, pieces)
    if (!threads.isTrying) pace.record(durationMs, sequences, pieces)
    if (expectedMs > 0) threads.note(endMs, durationMs / expectedMs)
    const streamMs = pace.streamMs(room)
    this.#backgroundTurn.note({ candidates, decode: pass, durationMs, streamMs })
    const report = { durationMs, decoded: pass.length, sequences, threads: threadCount }
    onStep({ ...report, moves, pieces: pieces.length, readTokens })
  }

  async #attempt(
    step: { open: number },
    active: Active,
    act: () => Promise<SampledToken | undefined>,
  ): Promise<Active> {
    try {
      const sampled = await act()
      if (sampled) active.end = this.#settle(active, sampled, step.open === 1)
    } catch (error) {
      active.error = error ?? new Error('unknown')
    }
    step.open--
    return active
  }

  async #read(active: Active, count: number): Promise<SampledToken | undefined> {
    const { prompt, sampling, countsPrompt, progress } = active.request
    const tokens = prompt.slice(active.position, active.position + count)
    if (countsPrompt) progress.promptTokens += tokens.length
    active.position += tokens.length
    active.unread -= tokens.length
    if (active.unread > 0) await active.runner.read(tokens)
    else return active.runner.start(tokens, sampling)
    return undefined
  }

  /**
   * Counts a token and gives it to its consumer, or keeps it where it is the last of its step.
   * @returns how the generation ends, if it does
   */
  #settle(active: Active, sampled: SampledToken, isLast: boolean): GenerationEnd | undefined {
    const { request } = active
    const { progress } = request
    // In order, also where a step is over before its turn of the event loop.
    this.#handOnKept()
    if (active.firstTokenMs === undefined) {
      active.firstTokenMs = this.#options.clock.monotonicMs()
      progress.prefillMs += active.firstTokenMs - active.startedMs
    }
    if (active.end !== undefined) return active.end
    const isEnd = this.#options.isEndToken(sampled.token)
    if (isEnd && !request.ignoreEnd) return 'end'
    active.generated++
    progress.completionTokens++
    // A client that is gone gets nothing; its request is removed between two steps.
    if (request.signal.aborted) return undefined
    const isFull = active.generated >= request.tokensMax
    if (isLast && !isFull) {
      this.#kept = { active, sampled }
      return undefined
    }
    if (!request.onToken(sampled)) return 'stopped'
    return isFull ? 'length' : undefined
  }

  /** Two turns of the event loop later the library has handed the batch to its thread. */
  async #handOnWhileComputing(): Promise<void> {
    if (!this.#kept) return
    await setImmediate()
    await setImmediate()
    this.#handOnKept()
  }

  #handOnKept(): void {
    const kept = this.#kept
    this.#kept = undefined
    if (!kept || kept.active.request.signal.aborted) return
    try {
      if (!kept.active.request.onToken(kept.sampled)) kept.active.end = 'stopped'
    } catch (error) {
      kept.active.error = error ?? new Error('unknown')
    }
  }

  async #release(active: Active): Promise<void> {
    if (!this.#active.delete(active)) return
    const { progress } = active.request
    if (active.firstTokenMs === undefined)
      progress.prefillMs += active.lastStepMs - active.startedMs
    else progress.decodeMs += active.lastStepMs - active.firstTokenMs
    const isSound = await active.runner.finish().then(
      () => active.error === undefined,
      () => false,
    )
    // What a failed step left behind is not trusted.
    if (!isSound) await active.runner.keep(0)
    this.#pool.giveBack(active.runner)
  }
}
