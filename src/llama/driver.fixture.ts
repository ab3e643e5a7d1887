/** A driver over sequences that only count, for tests. */
import assert from 'node:assert/strict'
import type { Token } from 'node-llama-cpp'
import { Pace, systemClock } from '../base/index.ts'
import { Driver, type DriverOptions } from './driver.ts'
import type { GenerationRequest, SampledToken } from './generation.ts'
import type { Runner } from './runner.ts'
import { forcedRequest } from './sweep.ts'
import { ThreadChoice } from './thread-choice.ts'

export const END = 0 as Token

/** A sequence that counts upwards from the length of what it holds. */
export class CountingRunner implements Runner {
  held: Token[] = []
  filled = 0
  computing = 0
  failNext = false
  /** Held tokens with which it moves; -1 for never. */
  movesUpTo = -1
  /** The one that cannot move, though it says so. */
  staysAt = ''
  readonly log: string[]
  readonly #name: string

  constructor(name: string, log: string[]) {
    this.#name = name
    this.log = log
  }

  commonPrefix(tokens: readonly Token[]): number {
    const at = this.held.findIndex((token, i) => token !== tokens[i])
    return at < 0 ? this.held.length : at
  }

  heldTokens = () => this.held.length

  async keep(keep: number): Promise<number> {
    assert.equal(this.computing, 0, 'state was changed while a step ran')
    this.held.length = keep
    this.filled = 0
    return keep
  }

  canFill = (heldMax: number) => this.held.length <= heldMax
  filledTokens = () => this.filled
  canMove = () => this.movesUpTo >= this.held.length
  moveTo = async (target: CountingRunner) => {
    assert.equal(this.computing + target.computing, 0, 'moved while a step ran')
    if (this.failNext) throw new Error('out of memory')
    if (this.#name === this.staysAt) return false
    this.log.push(`${this.#name} to ${target.#name}`)
    target.held = [...this.held]
    return true
  }
  fill = async () => {
    await this.#computing('fill')
    this.filled++
  }

  read = async (tokens: Token[]) => {
    await this.#compute(tokens, `read ${tokens.length}`)
  }
  start = (tokens: Token[]) => this.#compute(tokens, `start ${tokens.length}`)
  next = () => this.#compute([this.held.length as Token], 'next')
  finish = async () => {
    assert.equal(this.computing, 0, 'ended while a step ran')
  }

  async #compute(tokens: Token[], what: string): Promise<SampledToken> {
    await this.#computing(what)
    this.held.push(...tokens)
    return { token: (this.held.length + 100) as Token }
  }

  async #computing(what: string): Promise<void> {
    this.log.push(`${this.#name} ${what}`)
    this.computing++
    await systemClock.sleep(1)
    this.computing--
    if (this.failNext) throw new Error('out of order')
  }
}

/** Reads a piece after each turn of the streams. */
export class InTurns extends Pace {
  override readBudget({ readMs }: { readMs: number }): number {
    return readMs > 0 ? 0 : 40
  }
}

export function setUp(
  slots: number,
  waitingMax = 10,
  Paced: typeof Pace = Pace,
  more: Partial<DriverOptions> = {},
) {
  const log: string[] = []
  const decoded: number[] = []
  const runners = Array.from(
    { length: slots },
    (_, i) => new CountingRunner('abcdef'[i] ?? '', log),
  )
  // Pieces are as long as they may be, however slow this machine is.
  const pace = new Paced({ readTokensMax: 40, readStepMs: 60_000 })
  const driver = new Driver({
    runners,
    clock: systemClock,
    pace,
    threads: new ThreadChoice({ few: 1, all: 1 }),
    setThreads: () => undefined,
    waitingMax,
    room: slots,
    enough: slots,
    yieldMsMax: 60_000,
    isEndToken: (token) => token === END,
    onStep: (report) => decoded.push(report.decoded),
    ...more,
  })
  return { log, decoded, runners, driver }
}

export const prompt = (length: number, start = 1) =>
  Array.from({ length }, (_, i) => (start + i) as Token)

export const request = (
  length: number,
  fields: Partial<GenerationRequest> = {},
): GenerationRequest => ({
  ...forcedRequest(prompt(length), 3, 'salt'),
  ...fields,
})
