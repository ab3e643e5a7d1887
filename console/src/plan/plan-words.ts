/** What a plan says in words, and the commands that say the same. */
import type {
  PlanArrangement,
  PlanChangeView,
  PlanInputView,
  PlanReport,
  PlanView,
} from '../api/contract.ts'
import { shellWord } from '../parts/shell-word.ts'
import { count, duration, plural, promised } from '../units.ts'

export const arrangementWords: Record<PlanArrangement['kind'], { name: string; note: string }> = {
  dedicated: {
    name: 'Own engines',
    note: 'every tenant alone on as many engines as its promise needs',
  },
  pooled: { name: 'One shared pool', note: 'all tenants on the same engines, shared by weight' },
  pooled_with_batch: {
    name: 'Pool with batch',
    note: 'the same pool, filled with batch work that stands back',
  },
}

export function planSentence(plan: PlanView | null | undefined): string {
  if (plan === undefined) return 'Looking for your last plan.'
  if (plan === null) return 'How many engines does your traffic need, alone and together?'
  if (plan.report !== null) return plan.report.verdict.sentence
  if (plan.state === 'running') return 'Your plan is being worked out.'
  if (plan.state === 'cancelled') return 'The plan was stopped before it was done.'
  return 'The plan could not be worked out.'
}

export function planContext(plan: PlanView | null | undefined): string {
  if (plan === undefined || plan === null) {
    return 'A trace of traffic is played through the scheduler of this gateway on simulated engines, at the same promise for everybody.'
  }
  const { input, report } = plan
  const { ttftP99Ms, engine } = input
  const promise = `first tokens within ${promised(ttftP99Ms)} at p99`
  const size =
    report === null
      ? ''
      : `${plural(report.trace.requests, 'request')} of ${plural(report.trace.tenants, 'tenant')} in ${hoursInWords(report)} · `
  return `${size}${sourceInWords(input)} · engines like ${engine} · ${promise}`
}

const hoursInWords = ({ trace }: PlanReport) => duration(trace.hours * 3_600_000)

export function sourceInWords({ source, name, hours }: PlanInputView): string {
  if (source === 'example') return 'the example'
  if (source === 'ledger') return `our own ledger, last ${duration((hours ?? 24) * 3_600_000)}`
  return name ?? 'a pasted trace'
}

/** The whole plan on the command line. */
export function planCommand(input: PlanInputView): string {
  const { source, name, hours, engine, ttftP99Ms, costPerEngineHour } = input
  const trace =
    source === 'example'
      ? '--example'
      : `--trace ${source === 'ledger' ? 'traffic.csv' : shellWord(name ?? 'traffic.csv')}`
  const cost = costPerEngineHour === null ? '' : ` --cost-per-engine-hour ${costPerEngineHour}`
  const plan = `gristmill plan ${trace} --engine ${engine} --ttft-p99 ${ttftP99Ms}${cost}`
  return source === 'ledger'
    ? `gristmill trace export --hours ${hours ?? 24} > traffic.csv && ${plan}`
    : plan
}

export function changeCommand(input: PlanInputView, change: PlanChangeView, engines: number) {
  const { costPerEngineHour: _, ...rest } = input
  const value =
    change.kind === 'tenant'
      ? `tenant=${change.like}`
      : change.kind === 'load'
        ? `load=${change.factor}`
        : `engines=${signed(change.more)}`
  const plan = planCommand({ ...rest, costPerEngineHour: null })
  return `${plan} --what-if ${shellWord(value)} --pool-engines ${engines}`
}

/** @param nameOf a tenant as people call it */
export function changeInWords(change: PlanChangeView, nameOf: (tenant: string) => string): string {
  if (change.kind === 'tenant') return `One more tenant like ${nameOf(change.like)}`
  if (change.kind === 'load') return `${count(change.factor)} times the load`
  const more = Math.abs(change.more)
  return `${plural(more, 'engine')} ${change.more > 0 ? 'more' : 'less'}`
}

const signed = (value: number) => (value > 0 ? `+${value}` : String(value))
