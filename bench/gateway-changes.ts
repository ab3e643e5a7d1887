/** How long a change made at one gateway takes to hold at the others. */
import { type Replica, waitFor } from './replica.ts'
import { createTenant } from './server.ts'

/** Milliseconds from the answer of the gateway that was told, the slowest of all others. */
export interface ChangeTimes {
  keyRevokedMs: number[]
  tenantModelsMs: number[]
  routeMs: number[]
}

const EVERY_MS = 5
const MS_MAX = 10_000

/** @param replicas the first is told; it knows the models already */
export async function measureChanges(
  replicas: readonly Replica[],
  model: string,
  rounds: number,
): Promise<ChangeTimes> {
  const [told, ...others] = replicas as [Replica, ...Replica[]]
  const { admin } = told.server
  const { id, key } = await createTenant(told.server, 'changing')
  const times: ChangeTimes = { keyRevokedMs: [], tenantModelsMs: [], routeMs: [] }
  const seenAt = async (holds: (url: string) => Promise<boolean>) => {
    const startMs = performance.now()
    await Promise.all(others.map(({ server }) => seen(() => holds(server.url))))
    return performance.now() - startMs
  }
  for (let round = 0; round < rounds; round++) {
    const own = await admin.post<{ key: string; id: string }>('/api/keys', { tenantId: id })
    for (const { server } of others) await modelsOf(server.url, own.key)
    await admin.delete(`/api/keys/${own.id}`)
    times.keyRevokedMs.push(await seenAt(async (url) => (await modelsOf(url, own.key)) === null))

    await admin.patch(`/api/tenants/${id}`, { models: [] })
    times.tenantModelsMs.push(await seenAt(async (url) => !(await lists(url, key, model))))
    await admin.patch(`/api/tenants/${id}`, { models: null })

    const name = `route-${round}`
    await admin.put('/api/routes', { routes: [{ name, targets: [{ model }] }] })
    times.routeMs.push(await seenAt((url) => lists(url, key, name)))
  }
  await admin.put('/api/routes', { routes: [] })
  return times
}

async function seen(holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + MS_MAX
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`a change does not hold after ${MS_MAX} ms`)
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
}

/** The list of models as the key sees it; null where the key is refused. */
async function modelsOf(url: string, key: string): Promise<string | null> {
  const answer = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
  const text = await answer.text()
  return answer.status === 401 ? null : text
}

async function lists(url: string, key: string, model: string): Promise<boolean> {
  return (await modelsOf(url, key))?.includes(`"${model}"`) === true
}

/** Waits until gateways serve the models. */
export async function allKnow(
  replicas: readonly Replica[],
  key: string,
  models: readonly string[],
): Promise<void> {
  for (const { server } of replicas) {
    await waitFor(`${server.url} serves the models`, 15_000, async () => {
      const each = await Promise.all(models.map((model) => lists(server.url, key, model)))
      return each.every(Boolean)
    })
  }
}
