/** The mill floor as somebody who may not see all tenants sees it: others are one total. */
import type { FloorView } from './contract.ts'

export const OTHERS_ID = 'others'

/**
 * Keeps the names and figures of own tenants; everybody else's become one row without a name.
 * @param own ids of the tenants within reach
 */
export function filterFloor(floor: FloorView, own: ReadonlySet<string>): FloorView {
  const others = floor.tenants.filter((tenant) => !own.has(tenant.id))
  const mine = floor.tenants.filter((tenant) => own.has(tenant.id))
  return {
    ...floor,
    tenants: others.length === 0 ? mine : [...mine, total(others)],
    queue: floor.queue.filter((entry) => own.has(entry.tenantId)),
    engines: floor.engines.map((engine) => ({
      ...engine,
      slots: engine.slots.map((slot, index) =>
        own.has(slot.tenantId)
          ? slot
          : { ...slot, tenantId: OTHERS_ID, requestId: `${OTHERS_ID}-${engine.id}-${index}` },
      ),
    })),
  }
}

type TenantRow = FloorView['tenants'][number]

function total(rows: TenantRow[]): TenantRow {
  const sum = (value: (row: TenantRow) => number) => rows.reduce((so, row) => so + value(row), 0)
  return {
    id: OTHERS_ID,
    name: 'other tenants',
    hue: -1,
    weight: sum((row) => row.weight),
    inFlight: sum((row) => row.inFlight),
    waiting: sum((row) => row.waiting),
    serviceUnits: sum((row) => row.serviceUnits),
    entitledUnits: sum((row) => row.entitledUnits),
    borrowedUnits: sum((row) => row.borrowedUnits),
    ttftP50Ms: null,
    ttftP99Ms: null,
    ttftSamples: 0,
    ttftPromiseMs: Math.max(...rows.map((row) => row.ttftPromiseMs)),
    tokensPerS: sum((row) => row.tokensPerS),
  }
}
