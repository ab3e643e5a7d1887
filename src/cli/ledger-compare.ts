/** `gristmill ledger compare`: what the work of a time might have cost elsewhere. */
import type { Command } from 'commander'
import { nanosOfBooked } from '../base/index.ts'
import type { EngineComparisonView, ListComparisonView, TenantView } from '../http/index.ts'
import type { AdminClient } from './client.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import type { Terminal } from './terminal.ts'
import { count, money } from './units.ts'
import { tenantNames } from './usage.ts'
import { amount, between, month, positive, tokenFactor } from './values.ts'

interface CompareFlags extends RemoteFlags {
  period: ReturnType<typeof month>
  tenant?: string
  service?: string
  tokenFactor?: ReturnType<typeof tokenFactor>
  engine?: string
  ttftP99: number
  costPerEngineHour?: string
  draws: number
}

/** Adds it to `ledger`. */
export function compareCommand(group: Command, context: CliContext): void {
  example(
    remote(group.command('compare')),
    'ledger compare --period 2026-11',
    'ledger compare --period 2026-11 --tenant Support --service openai/gpt-4.1',
    'ledger compare --period 2026-11 --engine h100-8b --cost-per-engine-hour 2.50',
  )
    .description('what the work of a month might have cost: list prices, or engines of their own')
    .requiredOption('--period <month>', 'a month in UTC, such as 2026-11', month)
    .option('--tenant <tenant>', 'only of this one, name or id')
    .option('--service <provider/model>', 'only at this list price')
    .option(
      '--token-factor <low-high>',
      'their tokens for one of ours, such as 0.9-1.2',
      tokenFactor,
    )
    .option('--engine <profile>', 'engines of each tenant alone instead; a built-in profile')
    .option('--cost-per-engine-hour <amount>', 'the mean of that month where absent', amount)
    .option('--ttft-p99 <ms>', 'promised p99 of the time to first token', positive, 1000)
    .option('--draws <n>', 'traces drawn from that month, for the interval', between(0, 20), 4)
    .action((flags: CompareFlags) => compare(context, flags))
}

async function compare(context: CliContext, flags: CompareFlags): Promise<void> {
  const client = connect(context, flags)
  const { terminal } = context
  const tenant = flags.tenant === undefined ? undefined : await findTenant(client, flags.tenant)
  if (flags.engine !== undefined) {
    const view = await ownEngines(client, flags, tenant)
    const names = flags.json ? new Map<string, string>() : await tenantNames(client)
    show(context, flags, view, () => tellEngines(terminal, view, names))
    return
  }
  const view = await client.get<ListComparisonView>('/api/ledger/comparison', {
    ...flags.period,
    tenant: tenant?.id,
    service: flags.service,
    tokenFactorLow: flags.tokenFactor?.low,
    tokenFactorHigh: flags.tokenFactor?.high,
  })
  show(context, flags, view, () => tellLists(terminal, view))
}

async function ownEngines(
  client: AdminClient,
  { period, engine, ttftP99: ttftP99Ms, costPerEngineHour, draws }: CompareFlags,
  tenant: TenantView | undefined,
): Promise<EngineComparisonView> {
  return client.post('/api/ledger/comparison/engines', {
    ...{ ...period, engine, ttftP99Ms, costPerEngineHour, draws },
    tenant: tenant?.id,
  })
}

const shown = (text: string) => money(String(nanosOfBooked(text)))

function tellLists(terminal: Terminal, view: ListComparisonView): void {
  const { cost, requests, inputTokens, cachedTokens, outputTokens, tokenFactor: factor } = view
  terminal.print(
    `${count(requests)} requests with ${count(inputTokens)} tokens in (${count(cachedTokens)} of ` +
      `them cached) and ${count(outputTokens)} out cost ${shown(cost.amount)} ${cost.currency} here.`,
  )
  terminal.note(`${cost.basis}.`)
  printTable(terminal, view.services, columns, 'There is no list price.')
  terminal.note(`Their tokens for one of ours: ${factor.low} to ${factor.high}. ${factor.basis}`)
  terminal.print(terminal.paint('yellow', view.caveat))
}

type Service = ListComparisonView['services'][number]

const right = <Row>(title: string, value: (row: Row) => string): Column<Row> => {
  return { title, value, align: 'right' }
}

const columns: Column<Service>[] = [
  { title: 'SERVICE', value: ({ provider, model }) => `${provider}/${model}` },
  right('AT OUR COUNT', ({ asCounted }) => shown(asCounted)),
  right('FROM', ({ low }) => shown(low)),
  right('TO', ({ high }) => shown(high)),
  { title: 'CURRENCY', value: ({ currency }) => currency },
  {
    title: 'LIST PRICE OF',
    value: ({ asOf, ageDays, isOutdated }) =>
      isOutdated ? `${asOf}, outdated: ${ageDays} days old` : asOf,
  },
]

function tellEngines(
  terminal: Terminal,
  view: EngineComparisonView,
  names: Map<string, string>,
): void {
  const { cost, engine, engines, amount: total, draws } = view
  if (view.cannot !== null) {
    terminal.print(
      terminal.paint('yellow', `These engines cannot keep the promise: ${view.cannot}.`),
    )
    return
  }
  const interval =
    draws === 0 ? '' : ` (${engines.low} to ${engines.high} over ${draws} traces drawn from it)`
  terminal.print(
    `Each tenant alone needs engines, ${engines.asItWas} in all${interval}: ` +
      `${shown(total.asItWas)} ${cost.currency} (${shown(total.low)} to ${shown(total.high)}), ` +
      `where the pool cost ${shown(cost.amount)}.`,
  )
  terminal.note(`Engine ${engine.name}. ${engine.basis}`)
  terminal.note(`An engine and hour: ${view.costPerEngineHour}. ${view.costBasis}`)
  terminal.note(`The pool: ${cost.basis}.`)
  printTable(terminal, view.tenants, engineColumns(names), 'Nobody asked.')
  terminal.print(terminal.paint('yellow', view.caveat))
}

function engineColumns(names: Map<string, string>) {
  const columns: Column<EngineComparisonView['tenants'][number]>[] = [
    { title: 'TENANT', value: ({ tenantId }) => names.get(tenantId) ?? tenantId },
    right('REQUESTS', ({ requests }) => count(requests)),
    right('ENGINES', ({ asItWas }) => count(asItWas)),
    right('FROM', ({ low }) => count(low)),
    right('TO', ({ high }) => count(high)),
  ]
  return columns
}
