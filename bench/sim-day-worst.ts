/** How much later first tokens come: the worst tenant in its worst hour, days pooled. Pure. */
import type { Random } from '../src/base/index.ts'
import { type FirstTokens, HOUR_MS } from '../src/pool/index.ts'
import { pairedBlockRatioInterval, percentile } from './quantiles.ts'
import type { Arm } from './sim-day-play.ts'

/** First tokens this quick count as this long in ratios, so that noise is not taken for harm. */
const TTFT_FLOOR_MS = 100
/** An hour is judged from so many requests a day on; rarer tenants over all their hours. */
const SAMPLES_MIN = 100
const MINUTES = HOUR_MS / 60_000

/** One tenant's hour in one arm: first tokens in milliseconds by block. */
export interface Cell {
  /** Of the day; all hours where undefined. */
  hour: number | undefined
  blocks: number[][]
  p99Ms: number
}

/** The worst of tenants, and what it is the ratio of. */
export interface WorstRatio {
  tenant: string
  on: Cell
  off: Cell
  ratio: number
  tenantsOver: number
}

type Pair = Omit<WorstRatio, 'tenantsOver'>

/**
 * Pools each tenant's same hours of all days and takes the worst of tenants.
 * `worstHours` compares the worst hour with batch with the worst one without, whichever they are;
 * `sameHour` each hour with itself, and takes the hour with the highest ratio.
 * @param over ratios above this are counted
 */
export function worstRatios(
  days: readonly { on: Arm; off: Arm }[],
  over: number,
): { worstHours: WorstRatio; sameHour: WorstRatio } {
  const arms = { on: days.map(({ on }) => on), off: days.map(({ off }) => off) }
  const tenants = [...new Set(arms.off.flatMap((arm) => [...arm.keys()]))].sort()
  const pairs = tenants.map((tenant) => {
    const hours = hoursOf(arms.off, tenant)
    const on = hours.map((hour) => cellOf(arms.on, tenant, hour))
    const off = hours.map((hour) => cellOf(arms.off, tenant, hour))
    return {
      worstHours: pair(tenant, on.reduce(slower), off.reduce(slower)),
      sameHour: on.map((cell, i) => pair(tenant, cell, off[i] ?? cell)).reduce(worse),
    }
  })
  const worstOf = (some: readonly Pair[]) => ({
    ...some.reduce(worse),
    tenantsOver: some.filter(({ ratio }) => ratio > over).length,
  })
  return {
    worstHours: worstOf(pairs.map(({ worstHours }) => worstHours)),
    sameHour: worstOf(pairs.map(({ sameHour }) => sameHour)),
  }
}

/** 95 % interval: for which days are drawn, or which minutes where there is only one day. */
export function intervalOf({ on, off }: WorstRatio, random: Random): { low: number; high: number } {
  const floored = off.blocks.map((block) => block.map((ms) => Math.max(TTFT_FLOOR_MS, ms)))
  return pairedBlockRatioInterval(on.blocks, floored, 0.99, random)
}

/** Hours with enough first tokens; none where the tenant is judged over all of them. */
function hoursOf(arms: readonly Arm[], tenant: string): (number | undefined)[] {
  const counts: number[] = []
  for (const arm of arms) {
    for (const [hour, { ttftMs }] of (arm.get(tenant) ?? []).entries()) {
      counts[hour] = (counts[hour] ?? 0) + ttftMs.length
    }
  }
  const enough = [...counts.keys()].filter(
    (hour) => (counts[hour] ?? 0) >= SAMPLES_MIN * arms.length,
  )
  return enough.length > 0 ? enough : [undefined]
}

function cellOf(arms: readonly Arm[], tenant: string, hour: number | undefined): Cell {
  const days = arms.map((arm) => {
    const hours = arm.get(tenant) ?? []
    return hour === undefined ? hours : hours.slice(hour, hour + 1)
  })
  const [only = []] = days
  const blocks =
    days.length === 1 ? minutesOf(only) : days.map((day) => day.flatMap(({ ttftMs }) => ttftMs))
  return { hour, blocks, p99Ms: percentile(blocks.flat(), 0.99) }
}

/** First tokens by the minute of the hour in which their requests arrived. */
function minutesOf(hours: readonly FirstTokens[]): number[][] {
  const blocks: number[][] = Array.from({ length: MINUTES }, () => [])
  for (const { minutes, ttftMs } of hours) {
    for (const [i, ms] of ttftMs.entries()) blocks[(minutes[i] ?? 0) % MINUTES]?.push(ms)
  }
  return blocks
}

const pair = (tenant: string, on: Cell, off: Cell): Pair => ({
  tenant,
  on,
  off,
  ratio: on.p99Ms / Math.max(TTFT_FLOOR_MS, off.p99Ms),
})

const slower = (a: Cell, b: Cell) => (b.p99Ms > a.p99Ms ? b : a)
const worse = (a: Pair, b: Pair) => (b.ratio > a.ratio ? b : a)
