/** One request on its way to an engine and its answer on the way back: exactly one end. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { NOT_LISTED, type RosterMember } from '../base/index.ts'
import type { Connection, ConnectionUser } from './connection-pool.ts'
import { EngineFailure, failureOf } from './engine-failure.ts'
import type { EngineCall, EngineRequest, EngineSink } from './types.ts'

/** What a call needs of its engine. */
export interface CallOwner {
  nowMs(): number
  /** Sends the call once more. */
  send(call: OpenAiCall): void
  /** An answer begins; the owner may give the call up, which ends it. */
  begun(call: OpenAiCall, status: number, headers: IncomingHttpHeaders): void
  /** The call is over; `failure` where it failed for a reason of the engine's. */
  ended(call: OpenAiCall, failure: EngineFailure | undefined): void
}

export class OpenAiCall implements EngineCall, ConnectionUser, RosterMember {
  rosterIndex = NOT_LISTED
  readonly request: EngineRequest
  connection: Connection | undefined
  /** The key of a rented service that it was sent with. */
  keyId: string | undefined
  /** Monotonic time of dispatch and of the last sign of life. */
  readonly sentAtMs: number
  heardAtMs: number
  /** True once a byte of the body came. */
  hasBytes = false
  isPaused = false
  readonly #owner: CallOwner
  readonly #sink: EngineSink
  #controller: Dispatcher.DispatchController | undefined
  #answerBegun = false
  #sentAgain = false
  #ended = false

  constructor(owner: CallOwner, request: EngineRequest, sink: EngineSink) {
    this.#owner = owner
    this.#sink = sink
    this.request = request
    this.sentAtMs = owner.nowMs()
    this.heardAtMs = this.sentAtMs
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.heardAtMs = this.#owner.nowMs()
    this.#controller?.resume()
  }

  abort(): void {
    this.fail(new EngineFailure('aborted', 'the request was stopped'))
  }

  /** Ends the call from our side. */
  fail(failure: EngineFailure): void {
    if (this.#ended) return
    this.#end(failure)
    this.#controller?.abort(failure)
    this.#sink.fail(failure, this.hasBytes)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Stopped while it waited for a connection.
    if (this.#ended) controller.abort(new EngineFailure('aborted', 'the request was stopped'))
  }

  onResponseStarted(): void {
    this.#answerBegun = true
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    // 1xx answers only announce that one is coming.
    if (this.#ended || status < 200) return
    this.heardAtMs = this.#owner.nowMs()
    this.#owner.begun(this, status, headers)
    if (!this.#ended) this.#sink.head(status, headers)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#ended) return
    this.hasBytes = true
    this.heardAtMs = this.#owner.nowMs()
    if (this.#sink.data(chunk)) return
    if (this.#ended) return
    this.isPaused = true
    controller.pause()
  }

  onResponseEnd(): void {
    if (this.connection) this.connection.answered++
    if (this.#ended) return
    this.#end(undefined)
    this.#sink.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#ended) return
    if (this.#diedUnanswered(error)) {
      this.#sentAgain = true
      this.#controller = undefined
      this.#owner.send(this)
      return
    }
    const failure = failureOf(error)
    this.#end(failure)
    this.#sink.fail(failure, this.hasBytes)
  }

  #end(failure: EngineFailure | undefined): void {
    this.#ended = true
    this.#owner.ended(this, failure?.kind === 'aborted' ? undefined : failure)
  }

  /** A kept connection that the engine had closed before it read the request. */
  #diedUnanswered(error: Error): boolean {
    if (this.#answerBegun || this.#sentAgain) return false
    if ((this.connection?.answered ?? 0) === 0) return false
    return failureOf(error).kind === 'broken'
  }
}
