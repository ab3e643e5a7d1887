/**
 * Allowances for rented targets where several gateways share them: the one that schedules counts
 * for all, and begins with what the ledger knows. What others had reserved before it is counted
 * once it is booked.
 */
import type { Clock, Logger } from '../base/index.ts'
import type { Allowances, Reservation } from '../gateway/index.ts'

const LEARN_EVERY_MS = 10_000

export interface Holding {
  /** Whether requests may be started now, by us. */
  mayStart(): boolean
  /** Calls back once this gateway schedules; returns what ends that. */
  onHolding(listener: () => void): () => void
}

export interface HolderAllowancesOptions {
  holding: Holding
  allowances: Allowances
  /** Reads anew what was spent. */
  learn: () => Promise<void>
  clock: Clock
  logger: Logger
}

export class HolderAllowances implements Allowances {
  readonly #options: HolderAllowancesOptions
  #isCurrent = false
  #tenure = 0
  readonly #close: () => void

  constructor(options: HolderAllowancesOptions) {
    this.#options = options
    const unlisten = options.holding.onHolding(() => {
      this.#tenure++
      this.#isCurrent = false
      void this.#learn()
    })
    const timer = options.clock.every(LEARN_EVERY_MS, () => {
      if (options.holding.mayStart()) void this.#learn()
    })
    this.#close = () => {
      unlisten()
      timer.cancel()
    }
  }

  reserve(...wanted: Parameters<Allowances['reserve']>): Reservation | null {
    if (!(this.#isCurrent && this.#options.holding.mayStart())) return null
    return this.#options.allowances.reserve(...wanted)
  }

  settle(...spent: Parameters<Allowances['settle']>): void {
    this.#options.allowances.settle(...spent)
  }

  close(): void {
    this.#close()
  }

  async #learn(): Promise<void> {
    const { learn, logger } = this.#options
    const tenure = this.#tenure
    try {
      await learn()
      // What was read before it came to schedule again may lack what others booked since.
      if (tenure === this.#tenure) this.#isCurrent = true
    } catch (error) {
      logger.warn({ err: error }, 'what tenants spent on rented models today is not known yet')
    }
  }
}
