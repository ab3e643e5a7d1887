/**
 * What the relays, which carry an engine's answer to the client, need of the request they serve.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { EngineFailure } from '../engine/index.ts'
import type { TokenCounts } from '../meter/index.ts'

export interface RelayOwner {
  /** Answers wanted. */
  readonly choices: number
  readonly includeUsage: boolean
  /** Tier served, in the wire's words. */
  readonly tier: string
  /** Bytes of an answer or event held at most. */
  readonly answerBytesMax: number
  /** True once the intent is durable: before that nothing may reach the client. */
  readonly isDurable: boolean
  /** Calls back when it is, unless the request has ended by then. */
  whenDurable(run: () => void): void
  /** Lets the engine go on after `data` returned false. */
  resumeEngine(): void
  /** Content came in this many events of the stream so far. */
  contentReceived(frames: number): void
  /** Sends bytes of the stream; false where the client reads too slowly. */
  sendEvents(bytes: Buffer): boolean
  /** The stream is complete with these last bytes. */
  streamDone(bytes: Buffer, usage: TokenCounts | null): void
  /** The stream ends with these bytes, in which the engine says why in the client's words. */
  streamFailed(bytes: Buffer, failure: EngineFailure): void
  /** The whole answer is here. */
  answerDone(body: Buffer, usage: TokenCounts | null): void
  /** The engine answered with a status of refusal. */
  engineRefused(status: number, headers: IncomingHttpHeaders, body: Buffer): void
  /** @param hadBytes true where a part of the answer had come */
  engineFailed(failure: EngineFailure, hadBytes: boolean): void
}

/** Longest body of a refusal that is read. */
export const REFUSAL_BYTES_MAX = 64 * 1024
