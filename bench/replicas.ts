/** Three gateways at one database. */
import { join } from 'node:path'
import type { Random } from '../src/base/index.ts'
import { parseAddress, type TestDatabase } from '../src/store/index.ts'
import { Replica, waitFor } from './replica.ts'

/**
 * Gateways `one`, `two` and `three` at a database, ready.
 * @param firstRepository folder of the code that each runs until its first restart
 */
export async function startReplicas(
  folder: string,
  database: TestDatabase,
  random: Random,
  log: (line: string) => void,
  stack: AsyncDisposableStack,
  firstRepository?: string,
): Promise<Replica[]> {
  const keys = {
    GRISTMILL_SECRET_KEY: Buffer.from(random.bytes(32)).toString('base64'),
    GRISTMILL_CONTENT_KEY: Buffer.from(random.bytes(32)).toString('base64'),
  }
  const cutIds = new Set<string>()
  const replicas: Replica[] = []
  for (const name of ['one', 'two', 'three']) {
    const home = join(folder, name)
    const address = parseAddress(database.url)
    const replica = new Replica({
      name,
      home,
      databaseUrl: database.url,
      address,
      keys,
      cutIds,
      firstRepository,
      log,
    })
    replicas.push(replica)
  }
  stack.defer(async () => void (await Promise.all(replicas.map((one) => one.close()))))
  await Promise.all(replicas.map((one) => one.open()))
  return replicas
}

/** The gateway that schedules. @throws Error where none does for long */
export async function holderOf(
  replicas: readonly Replica[],
  { sql }: Pick<TestDatabase, 'sql'>,
): Promise<Replica> {
  let holder: Replica | undefined
  await waitFor('somebody schedules', 15_000, async () => {
    const [row] = await sql<{ url: string }[]>`
      select g.url from scheduler_lease l join gateways g on g.id = l.gateway_id
      where l.expires_at > clock_timestamp()`
    holder = replicas.find(({ clusterUrl }) => clusterUrl === row?.url)
    return holder !== undefined
  })
  return holder as Replica
}
