/** Fills a database with tenants and keys, as an installation of some size has them. */
import { createHash } from 'node:crypto'
import postgres from 'postgres'

/**
 * Writes tenants, one project each, and keys spread over them evenly.
 * @returns the keys' secrets
 */
export async function populate(
  databaseUrl: string,
  tenants: number,
  keys: number,
): Promise<string[]> {
  const sql = connect(databaseUrl)
  const secrets = Array.from({ length: keys }, (_, i) => `sk-bench-${i}-${'k'.repeat(24)}`)
  const hashes = secrets.map((secret) => createHash('sha256').update(secret).digest('hex'))
  const limits = JSON.stringify({
    queueDepthMax: null,
    concurrencyMax: null,
    tokensPerMinute: null,
    waitMsMax: null,
  })
  await sql.begin(async (tx) => {
    await tx`
      insert into tenants (id, name, weight, classes, default_class, limits, hue, created_at)
      select 'ten_bench' || i, 'bench ' || i, 1 + i % 3,
        '["priority","standard","flex","batch"]', 'standard', ${limits}::text::jsonb, i % 12, now()
      from generate_series(0, ${tenants - 1}) i`
    await tx`
      insert into projects (id, tenant_id, name, weight, created_at)
      select 'prj_bench' || i, 'ten_bench' || i, 'default', 1, now()
      from generate_series(0, ${tenants - 1}) i`
    await tx`
      insert into keys (id, project_id, name, hint, scopes, limits, created_at)
      select 'key_bench' || i, 'prj_bench' || (i % ${tenants}), 'bench', 'sk-bench',
        '["inference"]', ${limits}::text::jsonb, now()
      from generate_series(0, ${keys - 1}) i`
    await tx`
      insert into key_secrets (sha256, key_id, created_at)
      select hash, 'key_bench' || (i - 1), now()
      from jsonb_array_elements_text(${JSON.stringify(hashes)}::text::jsonb)
        with ordinality as t(hash, i)`
  })
  // Plans made for empty tables would be kept until the database looks by itself.
  await sql`analyze tenants, projects, keys, key_secrets`
  await sql.end()
  return secrets
}

/** A connection by the server's address, which may name a socket folder. */
function connect(databaseUrl: string) {
  const url = new URL(databaseUrl)
  const host = decodeURIComponent(url.hostname)
  return postgres({
    host,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
    max: 1,
    ...(host.startsWith('/') && { path: `${host}/.s.PGSQL.${url.port || 5432}` }),
    onnotice: () => {},
  })
}
