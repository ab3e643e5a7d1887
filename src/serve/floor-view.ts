/**
 * The mill floor as people see it: the pool's live picture with tenants' names, hues and weights.
 */
import { type Clock, TTFT_PROMISE_MS } from '../base/index.ts'
import type { DemoView, FloorView } from '../http/index.ts'
import { floorOf, type Pool } from '../pool/index.ts'
import type { Tenancy } from '../tenancy/index.ts'

export function floorView(
  pool: Pool,
  tenancy: Pick<Tenancy, 'labels'>,
  clock: Clock,
  demo: DemoView | null,
): FloorView {
  const floor = floorOf(pool, clock)
  const labels = tenancy.labels()
  const models = [...pool.engines.values()].flatMap(({ profile }) => profile.models)
  return {
    ...floor,
    tenants: floor.tenants.map((tenant) => {
      const label = labels.get(tenant.id)
      return {
        ...tenant,
        name: label?.name ?? tenant.id,
        hue: label?.hue ?? 0,
        weight: label?.weight ?? 1,
        ttftPromiseMs: TTFT_PROMISE_MS,
      }
    }),
    toyModel: models.some((model) => model.toy),
    demo,
  }
}
