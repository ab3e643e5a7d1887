import { mkdtempSync, readFileSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { startProgram } from './harness.ts'
import { closedLoop } from './load.ts'
import { populate } from './population.ts'
import { startServer } from './server.ts'
const { chatTarget } = (await import('./overhead-arms.ts')) as any
const charged = process.argv[2] === 'charged', count = Number(process.argv[3] ?? 10000)
const tenants = 1000, keys = 10000
await using stack = new AsyncDisposableStack()
const mock = await startProgram<{ url: string }>('mock-engine.ts'); stack.defer(mock.stop)
const home = mkdtempSync('/tmp/gristmill-bench-'); chmodSync(home, 0o711)
const open = () => startServer({ engine: 'none', home, environment: {}, log: () => undefined } as any)
const urlOf = () => JSON.parse(readFileSync(join(home, 'server.json'), 'utf8')).databaseUrl as string
const connect = (url: string) => { const u = new URL(url); return u }
let server = await open()
const secrets = await populate(urlOf(), tenants, keys)
const { openDatabase } = (await import('../src/store/index.ts')) as any
const run = async (text: string) => {
  const { createLogger, systemClock } = (await import('../src/base/index.ts')) as any
  const m = /postgresql:\/\/([^:]+):([^@]+)@([^:]+):(\d+)\/(.*)/.exec(urlOf())!
  const sql = postgres({ user: m[1], password: m[2], host: decodeURIComponent(m[3]!), port: Number(m[4]), database: m[5], path: `${decodeURIComponent(m[3]!)}/.s.PGSQL.${m[4]}` } as any)
  const r = await sql.unsafe(text); await sql.end(); return r
}
await run(`alter system set shared_preload_libraries = 'pg_stat_statements'`)
await run(`alter system set pg_stat_statements.track = 'all'`)
await server.end(); server = await open(); stack.defer(server.stop)
await run('create extension pg_stat_statements')
await server.admin.post('/api/engines', { url: mock.ready.url, name: 'mock' })
if (charged) {
  await server.admin.post('/api/prices', { prices: [{ model: 'mock', input: '1', output: '2' }] })
  for (let i = 0; i < tenants; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => server.admin.post('/api/budgets', { tenantId: `ten_bench${i + j}`, name: 'month', unit: 'money', period: 'month', limit: '1000000', isHard: true })))
}
let next = 0
const target = chatTarget(server.url, () => secrets[next++ % secrets.length] ?? '')
await closedLoop(target, { connections: 16, count: 10000 })
await run('select pg_stat_statements_reset()')
await closedLoop(target, { connections: 16, count })
await new Promise((r) => setTimeout(r, 6000))
const rows = await run(`select calls, round(total_exec_time*1000/${count}) as us, round(total_plan_time) as plan, toplevel, wal_bytes::int8/${count} as wal, left(regexp_replace(query, '\\s+', ' ', 'g'), 140) as q from pg_stat_statements order by total_exec_time desc limit 22`)
for (const r of rows) console.log(r.us, r.calls, r.toplevel ? 'top' : '   ', r.wal, r.q)
process.exit(0)
