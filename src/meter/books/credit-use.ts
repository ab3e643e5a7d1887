/** What became of prepaid credit in a period: rows that were added, and what requests used. */
import { decimalOf } from '../../base/index.ts'
import type { Queries } from '../../store/index.ts'
import { keptFrom } from '../usage-hours.ts'
import type { CreditUse } from './statement-types.ts'

/**
 * By tenant; those without credit, or to whose credit nothing happened, are missing. Nobody is told
 * of time whose requests were dropped.
 * @param tenantId only of this one
 */
export async function readCreditUse(
  sql: Queries,
  fromMs: number,
  toMs: number,
  tenantId?: string,
): Promise<Map<string, CreditUse>> {
  const at = (ms: number): ReturnType<Queries> => sql`to_timestamp(${ms}::float8 / 1000)`
  const only: ReturnType<Queries> =
    tenantId === undefined ? sql`` : sql`and tenant_id = ${tenantId}`
  const rows = await sql<Record<'tenantId' | keyof CreditUse, string>[]>`
    with accounts as (
      select id || '|0|' as counter, tenant_id from budgets
      where is_prepaid and ${at(fromMs)} >= ${keptFrom(sql)} ${only}
    ), happened as (
      select tenant_id, kind, amount_nanos from credits
      where tenant_id = any (array(select tenant_id from accounts))
        and at >= ${at(fromMs)} and at < ${at(toMs)}
      union all
      select a.tenant_id, 'used', s.charge_nanos
      from accounts a
      join ledger_settlements s on s.tenant_id = a.tenant_id
        and s.settled_at >= ${at(fromMs)} and s.settled_at < ${at(toMs)}
      join ledger_intents i on i.request_id = s.request_id
      where s.charge_nanos > 0 and i.reserved @> jsonb_build_array(jsonb_build_array(a.counter))
    )
    select tenant_id as "tenantId",
      coalesce(sum(amount_nanos) filter (where kind = 'top_up'), 0)::text as "toppedUp",
      coalesce(sum(amount_nanos) filter (where kind = 'refund'), 0)::text as refunded,
      coalesce(sum(amount_nanos) filter (where kind = 'correction'), 0)::text as corrected,
      coalesce(sum(amount_nanos) filter (where kind = 'used'), 0)::text as used
    from happened group by tenant_id`
  const decimal = (nanos: string) => decimalOf(BigInt(nanos))
  return new Map(
    rows.map(({ tenantId: id, toppedUp, refunded, corrected, used }) => [
      id,
      {
        toppedUp: decimal(toppedUp),
        refunded: decimal(refunded),
        corrected: decimal(corrected),
        used: decimal(used),
      },
    ]),
  )
}
