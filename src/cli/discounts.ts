/** `gristmill discount`: what tenants get off a month, by terms and by estimate. */
import type { Command } from 'commander'
import { GristmillError } from '../base/index.ts'
import type { DiscountEstimateView, DiscountTermsView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import { moment } from './units.ts'
import { time } from './values.ts'

const PATH = '/api/discounts'

interface SetFlags extends RemoteFlags {
  tenant?: string
  plan?: string
  from: string
  free?: string
  freeTokens?: string
  tier: string[]
  end?: true
  note?: string
}

/** Adds `discount …` to the program. */
export function discountCommands(program: Command, context: CliContext): void {
  const group = program
    .command('discount')
    .description('what is free in a month, and discounts by volume')
  listTerms(group, context)
  setTerms(group, context)
  estimate(group, context)
}

function listTerms(group: Command, context: CliContext): void {
  example(remote(group.command('list')), 'discount list')
    .description('list the terms, the newest first')
    .option('--tenant <tenant>', 'only those of this tenant and of plans, name or id')
    .action(async ({ tenant, ...flags }: RemoteFlags & { tenant?: string }) => {
      const client = connect(context, flags)
      const id = tenant && (await findTenant(client, tenant)).id
      const path = id ? `${PATH}?tenant=${id}` : PATH
      const { rows } = await client.get<{ rows: DiscountTermsView[] }>(path)
      show(context, flags, rows, () =>
        printTable(context.terminal, rows, columns, 'No terms: everything is paid in full.'),
      )
    })
}

function setTerms(group: Command, context: CliContext): void {
  const tiers = (given: string, before: string[]) => [...before, given]
  example(
    remote(group.command('set')),
    'discount set --plan partner --free 5 --tier 100:5 --tier 1000:10 --from 2027-01',
    'discount set --tenant Support --free-tokens 1000000 --from 2027-01',
    'discount set --tenant Support --end --from 2027-06',
  )
    .description('set all terms of a tenant or a price plan from a month on')
    .option('--tenant <tenant>', 'for this one, instead of what its plan has; name or id')
    .option('--plan <name>', 'for tenants with this price plan')
    .requiredOption('--from <month>', 'from which month on, such as 2027-01')
    .option('--free <amount>', 'so much of each month is free')
    .option('--free-tokens <tokens>', 'the first so many tokens of each month are free')
    .option(
      '--tier <above:percent>',
      'so much off what is above an amount; again for more',
      tiers,
      [],
    )
    .option('--end', 'none of it any more; of a tenant, what its plan has')
    .option('--note <words>', 'what it is for')
    .action(async (flags: SetFlags) => {
      const client = connect(context, flags)
      const tenantId = flags.tenant && (await findTenant(client, flags.tenant)).id
      const body = {
        tenantId,
        plan: flags.plan,
        from: flags.from,
        note: flags.note,
        ...given(flags),
      }
      const set = await client.post<DiscountTermsView>(PATH, body)
      show(context, flags, set, () =>
        context.terminal.print(`Version ${set.version} from ${set.from} on: ${inWords(set)}.`),
      )
    })
}

/** @throws GristmillError `invalid_value` */
function given({ free, freeTokens, tier, end }: SetFlags) {
  const wrong = (reason: string) => new GristmillError('invalid_value', { param: 'terms', reason })
  if (free !== undefined && freeTokens !== undefined) {
    throw wrong('what is free is --free or --free-tokens')
  }
  const isNothing = free === undefined && freeTokens === undefined && tier.length === 0
  if (isNothing !== (end === true)) {
    throw wrong('it takes something free or a tier, or --end alone')
  }
  const tiers = tier.map((text) => {
    const [above, percent] = text.split(':')
    return { above, percent }
  })
  if (freeTokens !== undefined) return { free: { unit: 'tokens', amount: freeTokens }, tiers }
  return { free: free === undefined ? null : { unit: 'money', amount: free }, tiers }
}

function estimate(group: Command, context: CliContext): void {
  interface Flags extends RemoteFlags {
    from?: string
    to?: string
  }
  const { terminal } = context
  example(remote(group.command('estimate <tenant>')), 'discount estimate Support')
    .description('what a statement by prices would say now; of the running month where not named')
    .option('--from <time>', 'beginning of the period', time)
    .option('--to <time>', 'end of the period', time)
    .action(async (tenant: string, { from, to, ...flags }: Flags) => {
      const client = connect(context, flags)
      const { id } = await findTenant(client, tenant)
      const span = { tenant: id, ...(from && { from }), ...(to && { to }) }
      const path = `${PATH}/estimate?${new URLSearchParams(span).toString()}`
      const view = await client.get<DiscountEstimateView>(path)
      show(context, flags, view, () => {
        const { currency, charge, discounts, total } = view
        terminal.print(`Charge: ${charge} ${currency}`)
        for (const { kind, month, method, amount } of discounts?.lines ?? []) {
          terminal.print(`${kind}, ${month}, ${method}: ${amount} ${currency}`)
        }
        terminal.print(`Total: ${total} ${currency}, were it closed now`)
      })
    })
}

function inWords({ free, tiers }: DiscountTermsView): string {
  const first = free && `the first ${free.amount}${free.unit === 'tokens' ? ' tokens' : ''} free`
  const parts = [
    ...(first === null ? [] : [first]),
    ...tiers.map(({ above, percent }) => `${percent} % above ${above}`),
  ]
  return parts.length === 0 ? 'none' : parts.join(', ')
}

const columns: Column<DiscountTermsView>[] = [
  { title: 'VERSION', value: ({ version }) => String(version), align: 'right' },
  { title: 'FOR', value: ({ tenantId, plan }) => tenantId ?? `plan ${plan}` },
  { title: 'FROM', value: ({ from }) => from },
  { title: 'TERMS', value: inWords },
  { title: 'NOTE', value: ({ note }) => note },
  { title: 'BY', value: ({ actor }) => actor },
  { title: 'AT', value: ({ at }) => moment(at) },
]
