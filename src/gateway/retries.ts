/** Whether a request that an engine refused or failed is sent again, and after how long. */
import type { Ticket } from '../pool/index.ts'
import type { Course } from './course.ts'
import { canAskAnother, canRetryStatus } from './engine-errors.ts'
import type { TicketPool } from './types.ts'

/** Times a request is sent at most: to the only engine of its model, and among several. */
const ATTEMPTS_MAX = 3
const ATTEMPTS_AMONG_MAX = 6
/** Before a try after an engine's own refusal; doubled each time. */
const RETRY_AFTER_MS = 200

/** How often a request was sent, and where it may go. */
export interface Tried {
  attempts: number
  ticket: Ticket | undefined
  course: Course | undefined
  /** Where it queued. */
  queue: string
  pool: Pick<TicketPool, 'hasChoice'>
}

/** Milliseconds to wait after an engine's refusal, or null where the client gets it. */
export function delayAfterRefusal(status: number, tried: Tried): number | null {
  if (canAskAnother(status) && mayGoOn(tried)) return 0
  if (!canRetryStatus(status) || !mayTryAgain(tried)) return null
  // Another engine can answer at once; the same one needs a moment.
  if (tried.pool.hasChoice(tried.queue)) return 0
  return RETRY_AFTER_MS * 2 ** (tried.attempts - 1)
}

/** True where it is sent again, its course gone on to the next target where there is one. */
export function mayAskAgain(tried: Tried): boolean {
  return mayGoOn(tried) || mayTryAgain(tried)
}

/** Goes on to the next target of the route, or back to its own; false where there is none. */
function mayGoOn(tried: Tried): boolean {
  const { course } = tried
  if (course?.hasNext !== true) return false
  return (course.isOverflowing || mayTryAgain(tried)) && course.advance()
}

function mayTryAgain({ attempts, ticket, queue, pool }: Tried): boolean {
  const most = pool.hasChoice(queue) ? ATTEMPTS_AMONG_MAX : ATTEMPTS_MAX
  return attempts < most && ticket?.mayRetry() === true
}
