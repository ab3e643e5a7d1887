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
  if (!found) throw new GristmillError('not_found', { kind: 'engine', id: nameOrId })
  return found
}

/** Keys are not written on command lines, where other users of the machine can read them. */
export function secretFrom({ environment }: CliContext, name: string): string {
  const value = environment[name]
  if (value) return value
  throw new GristmillError('invalid_config', { reason: `${name}: not set or empty` })
}
