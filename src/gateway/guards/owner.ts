/** Stands between an engine's answer and its request where guards look at answers. */
import type { IncomingHttpHeaders } from 'node:http'
import { type GristmillError, toGristmillError } from '../../base/index.ts'
import type { EngineFailure } from '../../engine/index.ts'
import type { TokenCounts } from '../../meter/index.ts'
import type { CanonicalRequest } from '../canonical.ts'
import type { RelayOwner } from '../relay.ts'
import { guardedAnswer, isRefusal } from './answer.ts'
import type { Guarding } from './before.ts'
import { GuardedStream } from './stream.ts'

/** What this needs of the request beside what relays do. */
export interface GuardedOwner extends RelayOwner {
  /** The engine has done its part, and told what it used; the answer is still being looked at. */
  answerIsWhole(usage: TokenCounts | null): void
  /** A guard stops the stream, which ends with these bytes; the engine need not go on. */
  streamStopped(bytes: Buffer): void
  /** The answer could not be checked. */
  answerUnchecked(error: GristmillError, usage: TokenCounts | null): void
}

/** Who takes an engine's answer. Embeddings have no texts to look at. */
export function ownerBehind(
  guarding: Guarding,
  { endpoint }: Pick<CanonicalRequest, 'endpoint'>,
  owner: GuardedOwner,
): RelayOwner {
  const isLookedAt = endpoint !== '/v1/embeddings' && guarding.set.after.length > 0
  return isLookedAt ? new AnswerGuard(owner, guarding) : owner
}

class AnswerGuard implements RelayOwner {
  readonly choices: number
  readonly includeUsage: boolean
  readonly tier: string
  readonly answerBytesMax: number
  readonly #owner: GuardedOwner
  readonly #guarding: Guarding
  readonly #stream: GuardedStream
  #isStopped = false

  constructor(owner: GuardedOwner, guarding: Guarding) {
    this.#owner = owner
    this.#guarding = guarding
    this.#stream = new GuardedStream(guarding, owner.answerBytesMax)
    this.choices = owner.choices
    this.includeUsage = owner.includeUsage
    this.tier = owner.tier
    this.answerBytesMax = owner.answerBytesMax
  }

  get isDurable(): boolean {
    return this.#owner.isDurable
  }

  whenDurable(run: () => void): void {
    this.#owner.whenDurable(run)
  }

  resumeEngine(): void {
    this.#owner.resumeEngine()
  }

  contentReceived(frames: number): void {
    this.#owner.contentReceived(frames)
  }

  sendEvents(bytes: Buffer): boolean {
    if (this.#isStopped) return true
    try {
      const out = this.#stream.next(bytes)
      return out === '' || this.#owner.sendEvents(Buffer.from(out))
    } catch (error) {
      this.#isStopped = true
      if (isRefusal(error)) this.#owner.streamStopped(Buffer.from(this.#stream.refused()))
      else this.#owner.answerUnchecked(toGristmillError(error), null)
      return true
    }
  }

  streamDone(bytes: Buffer, usage: TokenCounts | null): void {
    if (this.#isStopped) return
    const stream = this.#stream
    const end = (text: string) => this.#owner.streamDone(Buffer.from(text), usage)
    const last = () => {
      const first = stream.next(bytes)
      const rest = stream.done()
      return rest instanceof Promise ? rest.then((text) => first + text) : first + rest
    }
    this.#checked(usage, last, end, (error) => {
      // The engine has told its usage, so the request is done as far as the books go.
      if (isRefusal(error)) end(stream.refused())
      else this.#owner.answerUnchecked(toGristmillError(error), usage)
    })
  }

  answerDone(body: Buffer, usage: TokenCounts | null): void {
    this.#checked(
      usage,
      () => guardedAnswer(body, this.#guarding),
      (left) => this.#owner.answerDone(left, usage),
      (error) => this.#owner.answerUnchecked(toGristmillError(error), usage),
    )
  }

  /** Goes on with what a check lets pass, at once unless a service is asked. */
  #checked<T extends string | Buffer>(
    usage: TokenCounts | null,
    check: () => T | Promise<T>,
    end: (left: T) => void,
    stop: (error: unknown) => void,
  ): void {
    let left: T | Promise<T>
    try {
      left = check()
    } catch (error) {
      stop(error)
      return
    }
    if (!(left instanceof Promise)) {
      end(left)
      return
    }
    this.#owner.answerIsWhole(usage)
    left.then(end, stop)
  }

  /** Guarded requests have no stream of another wire; what it says is not shown. */
  streamFailed(_bytes: Buffer, failure: EngineFailure): void {
    this.#owner.engineFailed(failure, true)
  }

  engineRefused(status: number, headers: IncomingHttpHeaders, body: Buffer): void {
    this.#owner.engineRefused(status, headers, body)
  }

  engineFailed(failure: EngineFailure, hadBytes: boolean): void {
    this.#owner.engineFailed(failure, hadBytes)
  }
}
