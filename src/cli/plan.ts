/** `gristmill plan`: what a trace of traffic needs, each tenant alone and all together. */
import type { Command } from 'commander'
import { GristmillError } from '../base/index.ts'
import type {
  PlanArrangement,
  PlanChangeView,
  PlanReport,
  PlanTenant,
  WhatIfReport,
} from '../http/index.ts'
import { exampleTrace, planFor, whatIf } from '../pool/index.ts'
import { type CliContext, example, show, withJson } from './context.ts'
import { type Column, printTable } from './table.ts'
import { readProfile, readTraceFile } from './trace-file.ts'
import { count, duration, figure, UNKNOWN } from './units.ts'
import { between, planChange, positive } from './values.ts'

interface PlanFlags {
  trace?: string
  example?: true
  whatIf?: PlanChangeView
  poolEngines?: number
  engine: string
  ttftP99: number
  costPerEngineHour?: number
  tenants: number
  seed: number
  json?: true
}

const TENANTS_SHOWN = 10

const NAMES: Record<PlanArrangement['kind'], string> = {
  dedicated: 'own engines each',
  pooled: 'one shared pool',
  pooled_with_batch: 'shared pool with batch',
}

/** Adds `plan` to the program. */
export function planCommand(program: Command, context: CliContext): void {
  example(
    withJson(program.command('plan')),
    'plan --trace traffic.csv',
    'plan --trace traffic.csv --engine a10g-7b --ttft-p99 2000 --cost-per-engine-hour 1.2',
    'plan --example --what-if load=2',
  )
    .description('engines that a trace needs: each tenant alone, one pool, a pool with batch')
    .option('--trace <file>', 'a trace: the own form (docs/traces.md) or a published one')
    .option('--example', 'a made-up trace of six teams instead')
    .option(
      '--what-if <change>',
      'only what this changes: load=2, tenant=NAME, engines=+1',
      planChange,
    )
    .option(
      '--pool-engines <n>',
      'that the pool of --what-if has; the fewest that do where absent',
      between(1, 10_000),
    )
    .option('--engine <profile>', 'name of a built-in profile, or a JSON file', 'h100-8b')
    .option('--ttft-p99 <ms>', 'promised p99 of the time to first token', positive, 1000)
    .option('--cost-per-engine-hour <amount>', 'in whatever currency', positive)
    .option('--tenants <n>', 'tenants to split a trace over that has none', between(1, 1000), 8)
    .option('--seed <n>', 'of everything drawn', between(0, 2 ** 31), 1)
    .action((flags: PlanFlags) => plan(context, flags))
}

function plan(context: CliContext, flags: PlanFlags): void {
  const { ttftP99: ttftP99Ms, costPerEngineHour, seed, whatIf: change } = flags
  const rows = flags.example ? exampleTrace() : readTraceFile(traceOf(flags), flags)
  const common = { rows, profile: readProfile(flags.engine), ttftP99Ms, seed }
  if (change !== undefined) {
    const answer: WhatIfReport = whatIf({ ...common, change, engines: flags.poolEngines })
    show(context, flags, answer, () => tellAnswer(context, answer))
    return
  }
  const report: PlanReport = planFor({
    ...common,
    ...(costPerEngineHour !== undefined && { costPerEngineHour }),
  })
  show(context, flags, report, () => tell(context, report))
}

function traceOf({ trace }: PlanFlags): string {
  if (trace !== undefined) return trace
  throw new GristmillError('invalid_value', { param: 'plan', reason: 'give --trace or --example' })
}

function tellAnswer({ terminal }: CliContext, { basis, before, after, sentence }: WhatIfReport) {
  terminal.note(basis)
  const was = new Map(before.tenants.map((tenant) => [tenant.tenant, tenant]))
  const worst = after.tenants.toSorted((a, b) => b.ttftP99Ms - a.ttftP99Ms)
  const p99Before = ({ tenant }: PlanTenant) => {
    const tail = was.get(tenant)
    return tail === undefined ? UNKNOWN : duration(tail.ttftP99Ms)
  }
  printTable(
    terminal,
    worst.slice(0, TENANTS_SHOWN),
    [
      { title: 'TENANT', value: ({ tenant }) => tenant },
      right('TTFT P99 BEFORE', p99Before),
      right('AFTER', ({ ttftP99Ms }) => duration(ttftP99Ms)),
    ],
    'Nobody asked.',
  )
  terminal.note(`Utilisation ${percent(before.utilisation)}, then ${percent(after.utilisation)}.`)
  terminal.print(terminal.paint(after.late.length === 0 ? 'green' : 'yellow', sentence))
}

function tell({ terminal }: CliContext, report: PlanReport): void {
  const { trace, engine, promise } = report
  terminal.note(
    `${count(trace.requests)} requests of ${trace.tenants} tenants in ${figure(trace.hours)} h; ` +
      `engine ${engine.name} with ${engine.cap} sequences. ${engine.basis}`,
  )
  terminal.note(
    `Promised: first token within ${duration(promise.ttftP99Ms)} at p99 for every tenant, ` +
      `a token every ${duration(promise.tokenGapMs)}.`,
  )
  if (report.arrangements.length > 0) {
    printTable(terminal, report.arrangements, arrangementColumns, '')
    for (const arrangement of report.arrangements) {
      terminal.print('')
      terminal.print(terminal.paint('bold', `${NAMES[arrangement.kind]}, worst hour of each`))
      const worst = arrangement.tenants.toSorted((a, b) => b.ttftP99Ms - a.ttftP99Ms)
      printTable(terminal, worst.slice(0, TENANTS_SHOWN), tenantColumns, 'Nobody asked.')
      const others = worst.length - TENANTS_SHOWN
      if (others > 0) terminal.note(`${others} quicker ones are in --json.`)
    }
    terminal.print('')
    printTable(terminal, report.sensitivity, sensitivityColumns, '')
    terminal.print('')
  }
  terminal.print(terminal.paint(report.verdict.pays ? 'green' : 'yellow', report.verdict.sentence))
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`

const right = <Row>(title: string, value: (row: Row) => string): Column<Row> => ({
  title,
  value,
  align: 'right',
})

const arrangementColumns: Column<PlanArrangement>[] = [
  { title: 'ARRANGEMENT', value: ({ kind }) => NAMES[kind] },
  right('ENGINES', ({ engines }) => count(engines)),
  right('UTILISATION', ({ utilisation }) => percent(utilisation)),
  right('COST PER MILLION TOKENS', ({ costPerMillionTokens }) => figure(costPerMillionTokens)),
  right('MILLION TOKENS', ({ millionTokens }) => figure(millionTokens)),
  right('BATCH SHARE OF WORK', ({ batchShare }) => percent(batchShare)),
]

const tenantColumns: Column<PlanTenant>[] = [
  { title: 'TENANT', value: ({ tenant }) => tenant },
  right('ENGINES', ({ engines }) => (engines === null ? UNKNOWN : count(engines))),
  right('REQUESTS', ({ requests }) => count(requests)),
  right('TTFT P50', ({ ttftP50Ms }) => duration(ttftP50Ms)),
  right('TTFT P99', ({ ttftP99Ms }) => duration(ttftP99Ms)),
  right('WAIT P50', ({ waitP50Ms }) => duration(waitP50Ms)),
  right('WAIT P99', ({ waitP99Ms }) => duration(waitP99Ms)),
]

const sensitivityColumns: Column<PlanReport['sensitivity'][number]>[] = [
  right('TRAFFIC', ({ load }) => `× ${load}`),
  right('OWN ENGINES', ({ dedicatedEngines }) => count(dedicatedEngines)),
  right('POOL', ({ pooledEngines }) => count(pooledEngines)),
]
