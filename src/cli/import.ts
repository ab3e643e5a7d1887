/** `gristmill import`: moving in from another gateway. */
import type { Command } from 'commander'
import { GristmillError } from '../base/index.ts'
import type { RouteDraftView, RouteSetView, TenantView } from '../http/index.ts'
import {
  type CliContext,
  connect,
  ExitWith,
  example,
  type RemoteFlags,
  remote,
  show,
} from './context.ts'
import { listEnginesOf } from './engine-find.ts'
import { applyMove, draftOf, type Moved } from './litellm/apply.ts'
import { type MovePlan, planMove } from './litellm/plan.ts'
import type { PlannedTenant } from './litellm/plan-access.ts'
import type { Remark } from './litellm/remarks.ts'
import { type LiteLlmConfig, parseConfig } from './litellm/source.ts'
import { readNamedFile } from './named-file.ts'
import { count } from './units.ts'

interface ImportFlags extends RemoteFlags {
  config: string
  databaseUrl?: string
  dryRun?: true
}

/** Adds `import …` to the program. */
export function importCommands(program: Command, context: CliContext): void {
  const group = program.command('import').description('move in from another gateway')
  example(
    remote(group.command('litellm')),
    'import litellm --config config.yaml --dry-run',
    'import litellm --config config.yaml --database-url postgresql://litellm@db/litellm',
  )
    .description(
      "take over LiteLLM's models, fallbacks, teams and keys, as far as there are equals",
    )
    .requiredOption('--config <file>', 'its configuration file')
    .option('--database-url <url>', 'its database, for teams and keys; nothing is changed there')
    .option('--dry-run', 'only say what would be done, and what has no equal')
    .action((flags: ImportFlags) => importLiteLlm(context, flags))
}

async function importLiteLlm(context: CliContext, given: ImportFlags): Promise<void> {
  const { config: file, databaseUrl, dryRun, ...flags } = given
  const { terminal, environment, clock } = context
  const config = readConfigFile(file)
  // The driver is loaded only where there is a database to read.
  const rows =
    databaseUrl === undefined
      ? undefined
      : await (await import('./litellm/database.ts')).readDatabase(databaseUrl)
  const client = connect(context, flags)
  const [engines, tenants, there] = await Promise.all([
    listEnginesOf(client),
    client.all<TenantView>('/api/tenants'),
    client.get<RouteSetView>('/api/routes'),
  ])
  const known = { engines, tenants, routes: there.routes }
  const plan = planMove({ config, rows, environment, nowMs: clock.nowMs() }, known)
  const draft = await draftOf(client, plan, there)
  const isReady = plan.missing.length === 0 && draft.problems.length === 0
  const moved = isReady && !dryRun ? await applyMove(client, terminal, plan, there) : null
  const shown = { ...shownPlan(plan), problems: draft.problems, moved }
  show(context, flags, shown, () => tell(context, plan, draft, moved))
  if (!isReady) throw new ExitWith(1)
}

/** @throws GristmillError `invalid_value` where it cannot be read; never with what stands there */
function readConfigFile(file: string): LiteLlmConfig {
  const text = readNamedFile(file)
  try {
    return parseConfig(text)
  } catch (cause) {
    const reason = ((cause as Error).message.split('\n')[0] ?? '').replace(/[:.]$/, '')
    throw new GristmillError('invalid_value', { param: file, reason }, { cause })
  }
}

/** A plan without its secrets, and without hashes of what may be guessed. */
function shownPlan({ engines, keys, ...plan }: MovePlan) {
  return {
    engines: engines.map(({ apiKeys, ...engine }) => ({ ...engine, apiKeys: apiKeys.length })),
    keys: keys.map(({ tenant, name, limits, expiresAt }) => ({ tenant, name, limits, expiresAt })),
    ...plan,
  }
}

function tell(
  { terminal }: CliContext,
  plan: MovePlan,
  draft: RouteDraftView,
  moved: Moved | null,
): void {
  for (const { name, url, models, id } of plan.engines) {
    terminal.print(`engine ${name} at ${url}${there(id)}: ${models.join(', ')}`)
  }
  for (const tenant of plan.tenants) tellTenant(terminal.print, tenant, plan)
  if (plan.routesThere > 0) terminal.print(`routes there already: ${count(plan.routesThere)}`)
  for (const { name, aliases, targets } of plan.newRoutes) {
    const places = targets.map(({ model, engine, preference }) => {
      const place = engine === null ? model : `${model} on ${engine}`
      return preference === 1 ? place : `${place} (${preference})`
    })
    const other = aliases.length === 0 ? '' : `, also ${aliases.join(', ')}`
    terminal.print(`route ${name}${other}: ${places.join(', ')}`)
  }
  tellRemarks(terminal.print, 'What has no equivalent:', plan.noEquivalent)
  if (plan.missing.length > 0 || draft.problems.length > 0) {
    const problems = draft.problems.map(({ path, reason }) => ({ where: path, why: reason }))
    const all = [...plan.missing, ...problems]
    tellRemarks(terminal.print, 'What is missing; nothing was changed:', all)
  } else if (moved === null) terminal.print('\nNothing was changed.')
  else terminal.print(`\n${movedInWords(moved)}`)
}

function tellTenant(print: (line: string) => void, tenant: PlannedTenant, plan: MovePlan): void {
  const { name, models, id } = tenant
  const keys = plan.keys.filter((key) => key.tenant === name).length
  const may = models === null ? 'all models' : models.join(', ') || 'no models'
  print(`tenant ${name}${there(id)}: ${count(keys)} keys, ${may}`)
}

const there = (id: string | undefined) =>
  id === undefined ? '' : ' (there already, stays as it is)'

function tellRemarks(print: (line: string) => void, title: string, remarks: Remark[]): void {
  if (remarks.length === 0) return
  print(`\n${title}`)
  for (const { where, why } of remarks) print(`  ${where}: ${why}`)
}

function movedInWords({ engines, engineKeys, tenants, keys, routes }: Moved): string {
  const parts = { engines, 'keys of services': engineKeys, tenants, keys, routes }
  const news = Object.entries(parts).flatMap(([what, n]) => (n > 0 ? `${what}: ${count(n)}` : []))
  return news.length === 0 ? 'Everything is there already.' : `New here: ${news.join(', ')}.`
}
