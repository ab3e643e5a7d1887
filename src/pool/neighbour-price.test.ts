/** What a tenant pays for its own work does not rise with the work of others beside it. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { ChargebackSum, type EngineMinute, idleRules, weightSpans } from '../meter/index.ts'
import { CapacityMeter } from './capacity-meter.ts'

const CAP = 4
const END_MS = 300_000
const weights = weightSpans(['me', 'other'].map((tenantId) => ({ tenantId, fromMs: 0, weight: 1 })))
const hour = { machine: 2_100_000_007n, energy: 0n, staff: 0n }
const cost = { engineId: 'e', engineName: 'e', fromMs: 0, actor: 'cli', atMs: 0, ...hour }

interface Work {
  tenantId: string
  fromMs: number
  toMs: number
}

function worked(works: readonly Work[]) {
  const meter = new CapacityMeter(0)
  const up = {
    health: 'up',
    isLoading: false,
    cap: CAP,
    inFlight: 0,
    capacityUnitsPerS: 1,
  } as const
  meter.set('e', 0, up)
  const events = works.flatMap((work) => [
    { atMs: work.fromMs, run: () => meter.took('e', work.tenantId, work.fromMs) },
    { atMs: work.toMs, run: () => meter.left('e', work.tenantId, work.toMs, undefined) },
  ])
  const minutes = [60, 120, 180, 240].map((s) => ({ atMs: s * 1000, run: () => write(s * 1000) }))
  const rows: EngineMinute[] = []
  const micro = (value: number) => BigInt(Math.round(value * 1e6))
  const write = (nowMs: number, isEnd = false) => {
    for (const row of isEnd ? meter.close(nowMs) : meter.take(nowMs)) {
      rows.push({
        engineId: 'e',
        atMs: row.minuteAtMs,
        registeredUs: micro(row.registeredS),
        idle: new Map([['free', micro(row.freeS)]]),
        tenants: row.tenants.map(({ tenantId, engineS }) => {
          return { tenantId, usedUs: micro(engineS), microUnits: 0n, waste: new Map() }
        }),
      })
    }
  }
  for (const { run } of [...minutes, ...events].sort((a, b) => a.atMs - b.atMs)) run()
  write(END_MS, true)
  const sum = new ChargebackSum([cost], weights)
  for (const row of rows) sum.add(row)
  return sum
}

it('more work of a neighbour never raises what my work costs', () => {
  const work = (tenantId: string) =>
    fc
      .tuple(fc.nat(END_MS - 2), fc.nat(END_MS - 1))
      .map(([fromMs, ms]) => ({ tenantId, fromMs, toMs: Math.min(END_MS - 1, fromMs + 1 + ms) }))
  const some = (tenantId: string) => fc.array(work(tenantId), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(some('me'), some('other'), some('other'), (mine, before, more) => {
      const quiet = worked([...mine, ...before])
      const busy = worked([...mine, ...before, ...more])
      const pricesOf = (sum: ChargebackSum) => {
        const { lines } = sum.finish('operator')
        const own = lines.filter(({ tenantId }) => tenantId === 'me')
        const nanos = own.reduce((all, line) => all + line.nanos, 0n)
        const entitled = own.find(({ kind }) => kind === 'entitled')
        return { nanos, perSecond: Number(entitled?.nanos ?? 0) / Number(entitled?.engineUs ?? 1) }
      }
      const [then, now] = [pricesOf(quiet), pricesOf(busy)]
      // A microsecond is 0.58 nanos; rows are rounded to one.
      const rounding = 6n
      assert.ok(now.nanos <= then.nanos + rounding, `${now.nanos} after ${then.nanos}`)
      assert.ok(now.perSecond <= then.perSecond * 1.001 + 1e-3)
      for (const rule of idleRules) {
        const bill = (sum: ChargebackSum) =>
          sum.finish(rule).lines.reduce((all, { tenantId, nanos }) => {
            return tenantId === 'me' ? all + nanos : all
          }, 0n)
        assert.ok(bill(busy) <= bill(quiet) + rounding, rule)
      }
    }),
  )
})
