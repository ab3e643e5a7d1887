/** What tenants, projects and users have received, to be handed to whoever schedules next. */
import { type Band, bandOf } from '../base/index.ts'
import type { Scheduler } from './scheduler.ts'
import type { PoolGroup } from './scheduler-types.ts'
import type { Account } from './share-tree.ts'
import type { TicketState } from './ticket-state.ts'
import type { TicketRequest } from './types.ts'

/** One account of one pool; those above it stand before it. */
export interface CounterRow {
  /** Models of its pool. */
  pool: string
  band: Band
  /** Tenant, project and user, as far as it goes. */
  path: string[]
  weight: number
  counter: number
  /** True where it stopped waiting last of those beside it: the time of an empty queue. */
  isLast: boolean
}

type ShareAccount = Account<TicketState>

export function countersOf(scheduler: Pick<Scheduler, 'pools'>): CounterRow[] {
  const rows: CounterRow[] = []
  for (const group of scheduler.pools()) {
    const pool = nameOf(group)
    for (const band of ['interactive', 'background'] as const) {
      const visit = (above: ShareAccount, path: string[]) => {
        for (const [key, account] of above.children) {
          const own = [...path, key]
          const { weight, counter } = account
          rows.push({ pool, band, path: own, weight, counter, isLast: above.lastLeft === account })
          visit(account, own)
        }
      }
      visit(group.bands[band].root, [])
    }
  }
  return rows
}

/** Makes accounts as they were; to be called before anything of theirs waits. */
export function restoreCounters(
  scheduler: Pick<Scheduler, 'pools'>,
  rows: Iterable<CounterRow>,
): void {
  const groups = new Map(scheduler.pools().map((group) => [nameOf(group), group]))
  for (const { pool, band, path, weight, counter, isLast } of rows) {
    let account = groups.get(pool)?.bands[band].root
    const own = path.at(-1)
    if (account === undefined || own === undefined) continue
    for (const key of path.slice(0, -1)) {
      account = account.child(key, account.children.get(key)?.weight ?? 1)
    }
    const above = account
    const restored = above.child(own, weight)
    restored.counter = counter
    if (isLast) above.lastLeft = restored
  }
}

/**
 * Counters of a request's tenant, project and user; infinite where nobody knows them. Whoever
 * starts to wait is lifted to the least who waits already, so those who waited all along must be
 * queued again in this order, or the first one would take what the others have saved.
 */
export function standingOf(
  scheduler: Pick<Scheduler, 'pools'>,
  request: Pick<TicketRequest, 'model' | 'serviceClass' | 'tenantId' | 'projectId' | 'userId'>,
): number[] {
  const group = scheduler.pools().find(({ models }) => models.has(request.model))
  let account: ShareAccount | undefined = group?.bands[bandOf(request.serviceClass)].root
  return [request.tenantId, request.projectId, request.userId].map((key) => {
    account = account?.children.get(key)
    return account?.counter ?? Number.POSITIVE_INFINITY
  })
}

const nameOf = ({ models }: PoolGroup) => [...models].sort().join('\n')
