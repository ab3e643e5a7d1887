/** Engines of a running server by name or id, and secrets that a command line may not hold. */
import { GristmillError } from '../base/index.ts'
import type { EngineView } from '../http/index.ts'
import type { AdminClient } from './client.ts'
import type { CliContext } from './context.ts'

/** The engine list is short and comes whole, or in pages like every list. */
export async function listEnginesOf(client: AdminClient): Promise<EngineView[]> {
  return client.all<EngineView>('/api/engines')
}

export async function findEngine(client: AdminClient, nameOrId: string): Promise<EngineView> {
  const engines = await listEnginesOf(client)
  const found = engines.find(({ id, name }) => id === nameOrId || name === nameOrId)
  if (found) return found
  // What all replicas of a name have in common is asked of it as a whole.
  const isOf = ({ replicaOf: entry }: EngineView) =>
    entry !== null && (entry.id === nameOrId || entry.name === nameOrId)
  const replicas = engines.filter(isOf)
  const [first] = replicas
  if (!first?.replicaOf) throw new GristmillError('not_found', { kind: 'engine', id: nameOrId })
  const inFlight = replicas.reduce((sum, one) => sum + one.inFlight, 0)
  return { ...first, ...first.replicaOf, inFlight }
}

/** Keys are not written on command lines, where other users of the machine can read them. */
export function secretFrom({ environment }: CliContext, name: string): string {
  const value = environment[name]
  if (value) return value
  throw new GristmillError('invalid_config', { reason: `${name}: not set or empty` })
}
