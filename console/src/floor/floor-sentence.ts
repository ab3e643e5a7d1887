/** What the mill floor says in one sentence, computed from what it shows. */
import type { FloorView } from '../api/contract.ts'
import { count, duration, finePercent, listed, plural, promised, seconds } from '../units.ts'
import { type FloorTenant, shareOf, type Totals, totalsOf } from './floor-model.ts'

export interface Sentence {
  before: string
  /** The few words that carry the judgement. */
  emphasis: string
  tone: 'calm' | 'bad'
  after: string
}

/** A tenant counts as treated fairly from this part of its entitlement on. */
const FAIR_SHARE = 0.9

export function floorSentence(floor: FloorView): Sentence {
  const up = floor.engines.filter(({ state }) => state === 'up')
  const waiting = floor.tenants.reduce((sum, tenant) => sum + tenant.waiting, 0)
  if (up.length === 0) return withoutEngine(floor, waiting)
  const inFlight = up.reduce((sum, engine) => sum + engine.slots.length, 0)
  const cap = up.reduce((sum, engine) => sum + engine.cap, 0)
  if (inFlight === 0 && waiting === 0) {
    const slots = plural(cap, 'slot')
    return calm('The pool is ', 'idle', `. ${cap === 1 ? 'One slot is' : `${slots} are`} free.`)
  }
  if (waiting === 0 && inFlight < cap) {
    return calm(
      'The pool has ',
      'room',
      `: ${inFlight} of ${cap} slots are busy.${firstTokens(floor)}`,
    )
  }
  if (waiting === 0) return calm('The pool is ', 'full', ` and nobody waits.${firstTokens(floor)}`)
  const behind = furthestBehind(floor)
  const late = latest(floor)
  if (behind === null && late !== null) {
    const p99 = seconds(late.ttftP99Ms ?? 0)
    const own = isOverItsDue(late, totalsOf(floor.tenants))
      ? ', which asks for more than its due'
      : ''
    const rest = ` for ${late.name}${own}: first tokens take up to ${p99}, ${promised(late.ttftPromiseMs)} is promised.`
    return calm('The pool is full and fair, but ', 'late', rest)
  }
  if (behind === null) return calm('The pool is ', 'full and fair', `. ${whoWaits(floor)}`)
  const { own, borrowed, entitled } = shareOf(behind, totalsOf(floor.tenants))
  const share = finePercent(own + borrowed)
  const due = finePercent(entitled ?? 0)
  return calm(
    'The pool is ',
    'full',
    `. ${behind.name} got ${share} of the last minute, ${due} is due.`,
  )
}

const calm = (before: string, emphasis: string, after: string): Sentence => ({
  before,
  emphasis,
  after,
  tone: 'calm',
})

function withoutEngine(floor: FloorView, waiting: number): Sentence {
  const wait =
    waiting === 0 ? '' : ` ${plural(waiting, 'request')} wait${waiting === 1 ? 's' : ''}.`
  const [engine] = floor.engines
  if (engine?.state === 'starting') {
    return calm('The engine is ', 'starting', `: ${engine.stateReason}${wait}`)
  }
  const after = `${engine ? `: ${engine.stateReason}` : '.'}${wait}`
  return { before: 'The pool has ', emphasis: 'no engine up', after, tone: 'bad' }
}

function firstTokens({ ttft }: FloorView): string {
  if (ttft.p99Ms === null) return ''
  return ` First tokens come within ${duration(ttft.p99Ms)}.`
}

/**
 * Who has waited longer than promised while others got its share. Only interactive work:
 * background may lag behind, that is what it is for.
 */
function furthestBehind({ tenants, queue }: FloorView) {
  const interactive = queue.filter(
    ({ serviceClass }) => serviceClass === 'priority' || serviceClass === 'standard',
  )
  const hasWaited = ({ id, ttftPromiseMs }: FloorTenant) =>
    interactive.some(({ tenantId, waitedMs }) => tenantId === id && waitedMs > ttftPromiseMs)
  const totals = totalsOf(tenants)
  const ratio = (tenant: FloorTenant) => {
    const { own, borrowed, entitled } = shareOf(tenant, totals)
    return entitled === null ? 1 : (own + borrowed) / entitled
  }
  const behind = tenants
    .filter((tenant) => hasWaited(tenant) && ratio(tenant) < FAIR_SHARE)
    .sort((a, b) => ratio(a) - ratio(b))
  return behind[0] ?? null
}

/** From this many first tokens on, a 99th percentile says something. */
const SAMPLES_MIN = 20

/** Whoever uses more than its due waits for its own sake, not for a neighbour's. */
function isOverItsDue(tenant: FloorTenant, totals: Totals): boolean {
  const { own, borrowed, entitled } = shareOf(tenant, totals)
  return entitled !== null && own + borrowed > entitled
}

/**
 * The tenant whose first tokens miss their promise the most, before all others one that does not
 * ask for more than its due; null where every promise is kept.
 */
function latest({ tenants }: FloorView) {
  const totals = totalsOf(tenants)
  const late = tenants
    .filter(
      ({ ttftSamples, ttftP99Ms, ttftPromiseMs }) =>
        ttftSamples >= SAMPLES_MIN && ttftP99Ms !== null && ttftP99Ms > ttftPromiseMs,
    )
    .sort(
      (a, b) =>
        Number(isOverItsDue(a, totals)) - Number(isOverItsDue(b, totals)) ||
        (b.ttftP99Ms ?? 0) - (a.ttftP99Ms ?? 0),
    )
  return late[0] ?? null
}

function whoWaits({ queue, tenants, waitingByClass }: FloorView): string {
  const interactive = queue.find(
    ({ serviceClass }) => serviceClass === 'priority' || serviceClass === 'standard',
  )
  const names = new Map(tenants.map((tenant) => [tenant.id, tenant]))
  const tenant = interactive && names.get(interactive.tenantId)
  if (interactive && tenant) {
    const wait = seconds(interactive.waitedMs)
    return `${tenant.name} waits ${wait}, its promise is ${promised(tenant.ttftPromiseMs)}.`
  }
  // The feed tells of the longest waits only, and to some people of their own tenants only.
  const people = waitingByClass.priority + waitingByClass.standard
  if (people > 0) return `${plural(people, 'request of people waits', 'requests of people wait')}.`
  const background = waitingByClass.flex + waitingByClass.batch
  return `Only background work waits: ${plural(background, 'request')}.`
}

/** The smaller print below: the size of things. */
export function floorContext(floor: FloorView): string {
  const up = floor.engines.filter(({ state }) => state === 'up').length
  const engines =
    up === floor.engines.length
      ? plural(up, 'engine')
      : `${up} of ${floor.engines.length} engines up`
  const atWork = floor.tenants.filter(({ inFlight, waiting }) => inFlight + waiting > 0)
  const names = atWork.map(({ name }) => name)
  const who =
    names.length === 0
      ? 'nobody at work'
      : names.length <= 4
        ? `${listed(names)} at work`
        : `${count(names.length)} of ${count(floor.tenants.length)} tenants at work`
  return `${engines} · ${who}`
}
