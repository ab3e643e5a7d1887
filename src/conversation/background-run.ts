/** One response in the background, on its way to its end, over as many tries as that takes. */
import { GristmillError, newId, toGristmillError } from '../base/index.ts'
import { type Again, againOf, whyOf } from '../batch/index.ts'
import type { LineEnd, RunningLine } from '../gateway/index.ts'
import { isUnreachable } from '../store/index.ts'
import { type BackgroundEnd, type BackgroundRow, noteTry } from './background-store.ts'
import type { Content } from './response-content.ts'
import type { ResponseRunnerOptions } from './response-runner.ts'

/** Before the database is asked again whether it takes an answer. */
const AGAIN_MS = 1000

type Fate = 'stored' | 'dropped' | 'unknown'
/** When it is tried again; null where it has ended. */
type Next = Again | null

export class BackgroundRun {
  readonly #services: ResponseRunnerOptions
  readonly #row: BackgroundRow
  /** Aborted once it is tried no further. */
  readonly #ending = new AbortController()
  /** Aborted once an answer that the database does not take waits no longer. */
  readonly #stopping = new AbortController()
  /** Aborted once what it stands aside for may be there. */
  #aside: AbortController | undefined
  #tries: number
  /** Since when its model is not there; undefined while it is. */
  #missingSinceMs: number | undefined
  #running: RunningLine | null = null
  #isCut = false

  constructor(services: ResponseRunnerOptions, row: BackgroundRow) {
    this.#services = services
    this.#row = row
    this.#tries = row.tries
  }

  get id(): string {
    return this.#row.id
  }

  get tenantId(): string {
    return this.#row.tenantId
  }

  /** True while an engine works on it. */
  get isRunning(): boolean {
    return this.#running?.isWaiting === false
  }

  /** It was cancelled or deleted, or is another gateway's: nobody wants an answer from here. */
  cut(): void {
    this.#isCut = true
    this.#running?.cut()
    this.#ending.abort()
  }

  /** At a shutdown: tries no further; what runs may end. */
  stop(): void {
    this.#ending.abort()
    this.#stopping.abort()
  }

  /** What it stands aside for may be there. */
  askAgain(): void {
    this.#aside?.abort()
  }

  /** Resolves when it has ended, or goes on elsewhere or later. @throws what the database throws */
  async run(): Promise<void> {
    const { responses, clock } = this.#services
    const content = await responses.queued(this.#row)
    if (content === undefined) return
    for (;;) {
      const { signal } = this.#ending
      if (signal.aborted) return
      const next = await this.#once(content)
      if (next === null) return
      this.#aside = next.isAside ? new AbortController() : undefined
      const woken = this.#aside ? AbortSignal.any([signal, this.#aside.signal]) : signal
      await clock.sleep(next.afterMs, woken).catch(() => undefined)
    }
  }

  async #once(content: Content): Promise<Next> {
    const { gateway, clock, random, principalOf } = this.#services
    const { id, keyId, serviceClass, endUser, sessionId, tags, createdAt } = this.#row
    const requestId = newId('req', clock, random)
    const ended = Promise.withResolvers<Next>()
    try {
      const principal = await principalOf(keyId)
      if (principal === null) throw new GristmillError('invalid_api_key')
      const queued = { id, body: content.request, createdAtMs: createdAt.getTime() }
      this.#running = gateway.runLine({
        ...(await gateway.readQueued(queued, principal)),
        requestId,
        batchId: id,
        principal,
        serviceClass,
        asker: { endUser, sessionId, tags },
        waitMsMax: Math.max(1, this.#leftMs),
        urgent: false,
        ended: (end) => this.#ended(content, requestId, end, ended.resolve),
      })
      if (this.#isCut) this.#running.cut()
    } catch (thrown) {
      if (isUnreachable(thrown)) throw thrown
      const end = { answer: null, error: toGristmillError(thrown), usage: NOTHING }
      await this.#ended(content, requestId, end, ended.resolve)
    }
    return ended.promise
  }

  get #leftMs(): number {
    const { clock, limits } = this.#services
    return this.#row.createdAt.getTime() + limits.backgroundMsMax - clock.nowMs()
  }

  /** Stores an end, or says when to try again; does not reject. */
  async #ended(
    content: Content,
    requestId: string,
    end: LineEnd,
    tell: (next: Next) => void,
  ): Promise<Fate> {
    this.#running = null
    const failure = end.answer === null ? (end.error ?? new GristmillError('internal_error')) : null
    if (this.#isCut) {
      tell(null)
      return 'dropped'
    }
    const again = failure && this.#again(failure)
    if (again !== null) {
      if (again.counts) await this.#countTry()
      tell(again)
      return 'dropped'
    }
    const fate = await this.#store(content, endOf(content, requestId, end, failure))
    tell(null)
    return fate
  }

  /** As for a line of a batch, whose window is the time that it may wait. */
  #again(failure: GristmillError): Next {
    const { clock, limits } = this.#services
    const nowMs = clock.nowMs()
    if (failure.code !== 'model_not_found') this.#missingSinceMs = undefined
    else this.#missingSinceMs ??= nowMs
    const isModelGone = nowMs - (this.#missingSinceMs ?? nowMs) >= limits.batchModelWaitMsMax
    return this.#leftMs > 0 ? againOf(failure, this.#tries + 1, isModelGone) : null
  }

  async #store(content: Content, end: BackgroundEnd): Promise<Fate> {
    const { responses, clock, logger, fence } = this.#services
    const { signal } = this.#stopping
    for (;;) {
      try {
        return (await responses.end(this.#row, content, end, fence())) ? 'stored' : 'dropped'
      } catch (error) {
        logger.warn({ ...whyOf(error), responseId: this.id }, 'an answer waits for the database')
        if (!isUnreachable(error)) return 'dropped'
      }
      // Whoever starts next will look.
      if (signal.aborted) return 'unknown'
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined)
    }
  }

  /** One that engines fail with must end, over restarts too. */
  async #countTry(): Promise<void> {
    const { database, logger } = this.#services
    this.#tries++
    try {
      await noteTry(database.sql, this.id, this.#tries)
    } catch (error) {
      // The count in memory stands; only a restart before the next failure would not know it.
      logger.warn({ ...whyOf(error), responseId: this.id }, 'a try could not be put down')
    }
  }
}

const NOTHING = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }

/** @param failure why there is no answer, if there is none */
function endOf(
  before: Content,
  requestId: string,
  { answer, usage }: LineEnd,
  failure: GristmillError | null,
): BackgroundEnd {
  const told = answer && (JSON.parse(answer.body.toString('utf8')) as Record<string, unknown>)
  if (answer !== null && told !== null && answer.status < 300) {
    const status = told.status === 'incomplete' ? 'incomplete' : 'completed'
    return { status, answer: told, requestId, usage }
  }
  const { code, message } =
    failure ?? ((told?.error ?? {}) as { code?: unknown; message?: unknown })
  const error = { code: code ?? 'engine_rejected', message: message ?? 'The engine refused it.' }
  const queued = JSON.parse(before.answer.toString('utf8')) as Record<string, unknown>
  return { status: 'failed', answer: { ...queued, status: 'failed', error }, requestId, usage }
}
