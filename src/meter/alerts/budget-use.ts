/** What was used lately by whom budgets are for: of many together, hour by hour. */
import type { Queries } from '../../store/index.ts'
import type { Budget } from '../budgets/budget-types.ts'
import { queryUsage, type UsageRow } from '../usage.ts'
import { DAYS_BACK } from './budget-outlook.ts'

const DAY_MS = 86_400_000
/** Hours of one tenant, project or key at most; four weeks have fewer. */
const ROWS = 1000

type Subject = 'tenant' | 'project' | 'key'

/**
 * By budget. However many there are, usage is read once for tenants, for projects and for keys.
 * @param budgets none of end users, by whom hours are not kept
 */
export async function hourlyUse(
  sql: Queries,
  budgets: readonly Budget[],
  nowMs: number,
): Promise<Map<string, readonly UsageRow[]>> {
  const use = new Map<string, readonly UsageRow[]>()
  for (const [subject, those] of Map.groupBy(budgets, subjectOf)) {
    const ids = [...new Set(those.map(idOf))]
    const filter = {
      ...{ fromMs: nowMs - DAYS_BACK * DAY_MS, toMs: nowMs },
      tenantIds: [...new Set(those.map(({ tenantId }) => tenantId))],
      projectIds: subject === 'project' ? ids : undefined,
      keyIds: subject === 'key' ? ids : undefined,
    }
    const { rows } = await queryUsage(sql, filter, ['hour', subject], { limit: ROWS * ids.length })
    const found = Map.groupBy(rows, (row) => row[`${subject}Id`])
    for (const budget of those) use.set(budget.id, found.get(idOf(budget)) ?? [])
  }
  return use
}

function subjectOf({ projectId, keyId }: Budget): Subject {
  if (keyId !== null) return 'key'
  return projectId === null ? 'tenant' : 'project'
}

const idOf = ({ tenantId, projectId, keyId }: Budget) => keyId ?? projectId ?? tenantId
