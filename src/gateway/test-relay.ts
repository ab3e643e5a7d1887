/** A client's end of a relay that keeps what comes, for tests. Never used by the program. */
import assert from 'node:assert/strict'
import type { EngineFailure, EngineSink } from '../engine/index.ts'
import type { TokenCounts } from '../meter/index.ts'
import type { RelayOwner } from './relay.ts'

export class Recorder implements RelayOwner {
  readonly choices = 1
  readonly tier = 'default'
  readonly answerBytesMax = 1 << 20
  readonly includeUsage: boolean
  isDurable = true
  out = Buffer.alloc(0)
  frames = 0
  usage: TokenCounts | null | undefined
  failure: EngineFailure | undefined
  #durable: (() => void) | undefined

  constructor(includeUsage: boolean) {
    this.includeUsage = includeUsage
  }

  whenDurable(run: () => void): void {
    this.#durable = run
  }

  letGo(): void {
    this.isDurable = true
    this.#durable?.()
  }

  resumeEngine(): void {}

  contentReceived(frames: number): void {
    assert.ok(frames > this.frames, 'progress only goes forward')
    this.frames = frames
  }

  sendEvents(bytes: Buffer): boolean {
    this.out = Buffer.concat([this.out, bytes])
    return true
  }

  streamDone(bytes: Buffer, usage: TokenCounts | null): void {
    assert.equal(this.usage, undefined, 'it ends once')
    this.usage = usage
    this.sendEvents(bytes)
  }

  streamFailed(bytes: Buffer, failure: EngineFailure): void {
    this.sendEvents(bytes)
    this.failure = failure
  }

  answerDone(): void {
    assert.fail('not a stream')
  }

  engineRefused(): void {
    assert.fail('not refused')
  }

  engineFailed(failure: EngineFailure): void {
    this.failure = failure
  }
}

/** Hands an answer to a relay in pieces that are cut where it is said. */
export function relayedBy(
  relay: EngineSink,
  bytes: Buffer,
  cuts: readonly number[],
  recorder: Recorder,
): Recorder {
  relay.head(200, {})
  let from = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    if (cut > from) relay.data(bytes.subarray(from, cut))
    from = Math.max(from, cut)
  }
  if (from < bytes.length) relay.data(bytes.subarray(from))
  if (recorder.usage === undefined && recorder.failure === undefined) relay.end()
  return recorder
}
