/** What differs where several gateways share the database, joined with the parts of one gateway. */
import type { Clock, Logger } from '../base/index.ts'
import type { Member } from '../cluster/index.ts'
import type { ExpectedWaits, GatewayOptions } from '../gateway/index.ts'
import type { CountOf, Ledger, PriceOf, StoredAnswers } from '../meter/index.ts'
import { type Pool, queueOf } from '../pool/index.ts'
import { HolderAllowances } from './holder-allowances.ts'
import type { TollPart } from './toll-part.ts'

const SETTLE_EVERY_MS = 10_000

export interface QueueingOptions {
  pool: Pool
  member: Member | undefined
  toll: Pick<TollPart, 'allowances' | 'learnSpent'>
  clock: Clock
  logger: Logger
  stack: AsyncDisposableStack
}

/** Where the gateway queues its requests, and who judges their rates and allowances. */
export function queueingOf(
  options: QueueingOptions,
): Pick<GatewayOptions, 'pool' | 'rates' | 'expectedWaits' | 'allowances'> {
  const { pool, member, toll, clock, logger, stack } = options
  const { allowances, learnSpent: learn } = toll
  const expectedWaits: ExpectedWaits = (rowsMax) => queueOf(pool, clock, undefined, rowsMax)
  if (member === undefined) return { pool, expectedWaits, allowances }
  const shared = new HolderAllowances({ holding: member, allowances, learn, clock, logger })
  stack.defer(() => shared.close())
  return { pool: member.pool, rates: member.rates, expectedWaits, allowances: shared }
}

/** True where this gateway writes down what becomes of engines. */
export const isRecorder = (member: Member | undefined) => member?.mayStart() !== false

export interface LeftOpenOptions {
  member: Member
  ledger: Ledger
  countOf: CountOf
  storedAnswers: StoredAnswers
  priceOf: PriceOf
  clock: Clock
  logger: Logger
  stack: AsyncDisposableStack
}

/** Settles what gateways that have ended left open; only where this one schedules. */
export function settleLeftOpen(options: LeftOpenOptions): void {
  const { member, ledger, countOf, storedAnswers, priceOf, clock, logger, stack } = options
  let isBusy = false
  const look = async () => {
    if (isBusy || !member.isOurs()) return
    isBusy = true
    try {
      await member.settleGone(
        () => ledger.openGateways(),
        (numbers) => ledger.recover(countOf, storedAnswers, priceOf, numbers),
      )
    } catch (error) {
      logger.warn({ err: error }, 'what ended gateways left open could not be settled yet')
    } finally {
      isBusy = false
    }
  }
  const timer = clock.every(SETTLE_EVERY_MS, () => void look())
  stack.defer(() => timer.cancel())
}
