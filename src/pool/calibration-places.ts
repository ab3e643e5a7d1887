/**
 * Places on one engine for a calibration: tickets of class batch that wait like everybody's, under
 * a model name that only this engine has, so that they stand behind all other work.
 */
import { type Clock, GristmillError, newId, type Random } from '../base/index.ts'
import type { CalibrationPlace, CalibrationPlaces, Tokens } from '../engine/index.ts'
import { pinnedModel } from './engine-places.ts'
import type { Pool } from './pool.ts'
import type { TicketRequest } from './types.ts'

/** Who is charged; shown on the mill floor while a calibration runs. */
const TENANT = 'calibration'
const WAIT_MS_MAX = 120_000
const TYPICAL_TOKENS = 64

export class PoolCalibrationPlaces implements CalibrationPlaces {
  readonly #pool: Pool
  readonly #engineId: string
  readonly #clock: Clock
  readonly #random: Random

  constructor(pool: Pool, engineId: string, { clock, random }: { clock: Clock; random: Random }) {
    this.#pool = pool
    this.#engineId = engineId
    this.#clock = clock
    this.#random = random
  }

  async take(signal: AbortSignal): Promise<CalibrationPlace> {
    const request = this.#request()
    const ticket = this.#pool.submit(request)
    const leave = () => ticket.cancel(new GristmillError('shutting_down'))
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    const granted = ticket.granted.finally(() => signal.removeEventListener('abort', leave))
    const { rank, slot } = await granted
    return {
      id: request.id,
      rank,
      slot: slot?.number,
      output: (tokens) => {
        if (ticket.state === 'running') ticket.progress(tokens)
      },
      finish: (tokens) => {
        // Where somebody else schedules by now, it has been forgotten here.
        if (ticket.state !== 'running') return
        if (tokens === null) {
          const none = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
          ticket.finish({ ...none, outcome: 'engine_failed', failure: 'broken' })
          return
        }
        ticket.finish({
          inputTokens: tokens.input + tokens.cached,
          cachedTokens: tokens.cached,
          outputTokens: tokens.output,
          outcome: 'kept',
        })
      },
    }
  }

  allow(concurrency: number): void {
    this.#pool.allow(this.#engineId, concurrency)
  }

  total(): Tokens {
    const { input, cached, output } = this.#pool.engines.get(this.#engineId)?.control.tokens ?? NONE
    return { input, cached, output }
  }

  /** The engine's own cap holds again. */
  end(): void {
    this.#pool.allow(this.#engineId, undefined)
  }

  #request(): TicketRequest {
    return {
      id: newId('run', this.#clock, this.#random),
      model: pinnedModel(this.#engineId),
      tenantId: TENANT,
      tenantWeight: 1,
      projectId: TENANT,
      projectWeight: 1,
      keyId: TENANT,
      userId: TENANT,
      serviceClass: 'batch',
      estimatedInputTokens: TYPICAL_TOKENS,
      outputTokensMax: TYPICAL_TOKENS,
      waitMsMax: WAIT_MS_MAX,
      queueDepthMax: 10_000,
      tenantConcurrencyMax: null,
      keyConcurrencyMax: null,
    }
  }
}

const NONE: Tokens = { input: 0, cached: 0, output: 0 }
