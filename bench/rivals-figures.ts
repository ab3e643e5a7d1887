/** What `bench rivals` makes of calls: figures of arms, the table, where a rival is better. */
import type { Call } from './chat-load.ts'
import { percentile } from './quantiles.ts'
import type { GuideLlmFigures } from './rival-guidellm.ts'

export type ArmName = 'alone' | 'flood' | 'batch'

/** What ran between two moments. */
export interface Arm {
  light: readonly Call[]
  neighbour: readonly Call[]
  fromMs: number
  untilMs: number
}

/** A time to first token; null where so many calls failed that it is infinite. */
export interface FirstToken {
  ms: number | null
  /** True where the call still waited, so that it would have been longer. */
  isAtLeast: boolean
}

export interface ArmFigures {
  n: number
  p50: FirstToken
  p95: FirstToken
  unfinished: number
  failed: number
  neighbourTokensPerS: number
  neighbourFailed: number
}

export interface Row {
  name: string
  title: string
  engine: string
  isOurs: boolean
  /** Null where the system has no such arm. */
  arms: Record<ArmName, ArmFigures | null>
  guideLlm?: { alone: GuideLlmFigures; flood: GuideLlmFigures }
}

const hasFailed = ({ refused, failure }: Call) => refused !== null || failure !== null

/** Why calls failed, each reason once. */
export function failuresOf({ light, neighbour }: Arm): string[] {
  const failed = [...light, ...neighbour].filter(hasFailed)
  return [...new Set(failed.map(({ refused, failure }) => failure ?? `status ${refused}`))]
}

export function figuresOf(arm: Arm): ArmFigures {
  const { light, neighbour, untilMs } = arm
  const isOpen = (call: Call) => call.tokenMs.length === 0 && !hasFailed(call)
  const waits = light
    .map((call) => ({
      ms: hasFailed(call) ? Number.POSITIVE_INFINITY : (call.tokenMs[0] ?? untilMs) - call.sentMs,
      isAtLeast: isOpen(call),
    }))
    .toSorted((a, b) => a.ms - b.ms)
  const at = (share: number): FirstToken => {
    const ms = percentile(
      waits.map((wait) => wait.ms),
      share,
    )
    // One that waited shorter than this and still waits could come to stand here.
    const isAtLeast = waits.some((wait) => wait.isAtLeast && wait.ms <= ms)
    return { ms: Number.isFinite(ms) ? Math.round(ms) : null, isAtLeast }
  }
  return {
    n: light.length,
    p50: at(0.5),
    p95: at(0.95),
    unfinished: light.filter(isOpen).length,
    failed: light.filter(hasFailed).length,
    neighbourTokensPerS: Math.round(tokensWithin(neighbour, arm) / ((untilMs - arm.fromMs) / 1000)),
    neighbourFailed: neighbour.filter(hasFailed).length,
  }
}

/** Some engines send several tokens in one event, so that the usage counts where it came. */
function tokensWithin(calls: readonly Call[], { fromMs, untilMs }: Arm): number {
  return calls.reduce((sum, { tokenMs, usage }) => {
    const within = tokenMs.filter((atMs) => atMs >= fromMs && atMs <= untilMs).length
    const perEvent = usage && tokenMs.length > 0 ? usage.outputTokens / tokenMs.length : 1
    return sum + within * perEvent
  }, 0)
}

const NO_EVIDENCE = 'CPU, 135M parameters: no evidence for GPUs.'
const ARMS: readonly ArmName[] = ['alone', 'flood', 'batch']

/** The table in Markdown, with the sentence that must stand above it. */
export function tableOf(rows: readonly Row[]): string {
  const cells = (row: Row) => [row.title, ...ARMS.map((arm) => cellOf(row.arms[arm]))]
  const head = ['', 'alone', 'beside a flood', 'beside batch']
  const lines = [head, head.map(() => '---'), ...rows.map(cells)]
  return [NO_EVIDENCE, '', ...lines.map((line) => `| ${line.join(' | ')} |`)].join('\n')
}

function cellOf(figures: ArmFigures | null): string {
  if (figures === null) return 'has none'
  const { n, p50, p95, unfinished, failed, neighbourTokensPerS, neighbourFailed } = figures
  const parts = [`${inWords(p50)} / ${inWords(p95)} (${n})`]
  if (neighbourTokensPerS > 0) parts.push(`${neighbourTokensPerS} tok/s`)
  if (unfinished > 0) parts.push(`${unfinished} unanswered`)
  if (failed > 0) parts.push(`${failed} failed`)
  if (neighbourFailed > 0) parts.push(`${neighbourFailed} of the neighbour's failed`)
  return parts.join(', ')
}

const inWords = ({ ms, isAtLeast }: FirstToken) =>
  ms === null ? '∞' : `${isAtLeast ? '≥ ' : ''}${ms}`

/** Every figure in which a rival is better than ours on the same engine, or than our own engine. */
export function rivalsAhead(rows: readonly Row[]): string[] {
  return rows.flatMap((ours) => {
    if (!ours.isOurs) return []
    const rivals = rows.filter(
      ({ isOurs, engine }) => !isOurs && (ours.engine === 'own' || engine === ours.engine),
    )
    return ARMS.flatMap((arm) => {
      const mine = ours.arms[arm]
      if (mine === null) return []
      return rivals.flatMap((rival) => {
        const theirs = rival.arms[arm]
        const better = theirs === null ? [] : betterFigures(theirs, mine)
        return better.map((what) => `${arm}: ${rival.title} over ${ours.title}: ${what}`)
      })
    })
  })
}

function betterFigures(theirs: ArmFigures, mine: ArmFigures): string[] {
  const quicker = (['p50', 'p95'] as const).flatMap((which) => {
    const [them, us] = [theirs[which], mine[which]]
    const isQuicker = (them.ms ?? Infinity) < (us.ms ?? Infinity)
    return isQuicker ? [`first token ${which} ${inWords(them)} against ${inWords(us)} ms`] : []
  })
  const [them, us] = [theirs.neighbourTokensPerS, mine.neighbourTokensPerS]
  return them > us ? [...quicker, `neighbour ${them} against ${us} tok/s`] : quicker
}
