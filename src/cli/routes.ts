/** `gristmill route`: which targets stand behind the model names that clients ask for. */
import { type Command, Option } from 'commander'
import { GristmillError, serviceClasses } from '../base/index.ts'
import type {
  RouteDraftView,
  RouteExplanationView,
  RouteSetView,
  RouteVersionView,
  RouteView,
} from '../http/index.ts'
import {
  type CliContext,
  connect,
  ExitWith,
  example,
  type RemoteFlags,
  remote,
  show,
} from './context.ts'
import { tellDraft } from './route-effect.ts'
import { readRouteFile, routesAsYaml } from './route-file.ts'
import { type Column, printTable } from './table.ts'
import { findTenant } from './tenants.ts'
import type { Terminal } from './terminal.ts'
import { moment } from './units.ts'
import { between } from './values.ts'

const PATH = '/api/routes'
/** What is applied where no file is named. */
const FILE = 'gristmill.yaml'
const VERSION_MAX = 2_147_483_647

/** Adds `route …` to the program. */
export function routeCommands(program: Command, context: CliContext): void {
  const group = program
    .command('route')
    .description('routes: which targets stand behind the model names that clients ask for')
  readRoutes(group, context)
  changeRoutes(group, context)
  explainRoute(group, context)
}

function readRoutes(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('list')), 'route list', 'route list --versions')
    .description('list the routes that hold, or the versions there have been')
    .option('--versions', 'versions instead, newest first')
    .action(async ({ versions, ...flags }: RemoteFlags & { versions?: true }) => {
      const client = connect(context, flags)
      if (versions) {
        const rows = await client.all<RouteVersionView>(`${PATH}/versions`)
        show(context, flags, rows, () => printTable(terminal, rows, versionColumns, 'None yet.'))
        return
      }
      const set = await client.get<RouteSetView>(PATH)
      show(context, flags, set.routes, () => {
        printTable(terminal, set.routes, columns, 'No routes: models are asked for by their names.')
        warn(terminal, set)
      })
    })
  example(
    remote(group.command('show [route]')),
    'route show small',
    'route show small --of-version 3',
  )
    .description('print a route, or all as `route apply` takes them')
    .addOption(ofVersion('--of-version <n>', 'as they were in this version'))
    .action(async (name: string | undefined, flags: RemoteFlags & { ofVersion?: number }) => {
      const { ofVersion: version } = flags
      const path = version === undefined ? PATH : `${PATH}/versions/${version}`
      const { routes, guards } = await connect(context, flags).get<RouteSetView>(path)
      const value = name === undefined ? { routes, guards } : one(routes, name)
      terminal.print(JSON.stringify(value, null, flags.json ? undefined : 2))
    })
  example(remote(group.command('export')), 'route export > gristmill.yaml')
    .description('print all routes as YAML, as `route apply` takes them')
    .action(async (flags: RemoteFlags) => {
      const { routes, guards } = await connect(context, flags).get<RouteSetView>(PATH)
      show(context, flags, { routes, guards }, () =>
        terminal.print(routesAsYaml(routes, guards).trimEnd()),
      )
    })
}

function changeRoutes(group: Command, context: CliContext): void {
  const { terminal } = context
  interface ApplyFlags extends RemoteFlags {
    note?: string
    baseVersion?: number
    dryRun?: true
    file?: string
  }
  example(
    remote(group.command('apply [file]')),
    'route apply gristmill.yaml --note "small is back"',
    'route apply --file gristmill.yaml --dry-run',
  )
    .description('replace all routes by those of a YAML or JSON file (- reads standard input)')
    .option('--file <file>', `the same (default: ${FILE})`)
    .option('--note <words>', 'what the change is for')
    .addOption(ofVersion('--base-version <n>', 'refuse where another version holds by now'))
    .option('--dry-run', 'only say what is wrong, or what would change and for whom')
    .action(async (named: string | undefined, { note, baseVersion, ...given }: ApplyFlags) => {
      const { file = named ?? FILE, dryRun, ...flags } = given
      const { routes, guards, lineOf } = readRouteFile(file)
      const client = connect(context, flags)
      if (dryRun) {
        const draft = await client.post<RouteDraftView>(`${PATH}/draft`, { routes, guards })
        const where = (path: string) => `${file}:${lineOf(path)}`
        show(context, flags, draft, () => tellDraft(terminal, draft, where))
        if (draft.problems.length > 0) throw new ExitWith(1)
        return
      }
      const set = await client.put<RouteSetView>(PATH, { routes, guards, note, baseVersion })
      show(context, flags, set, () => tellApplied(terminal, set))
    })
  example(remote(group.command('rollback')), 'route rollback', 'route rollback --to 3')
    .description('make the version before hold again, or an earlier one')
    .addOption(ofVersion('--to <n>', 'this version instead'))
    .action(async ({ to, ...flags }: RemoteFlags & { to?: number }) => {
      const client = connect(context, flags)
      const set = await client.post<RouteSetView>(`${PATH}/rollback`, { version: to })
      show(context, flags, set, () => tellApplied(terminal, set))
    })
}

function explainRoute(group: Command, context: CliContext): void {
  const { terminal } = context
  interface ExplainFlags extends RemoteFlags {
    as: string
    class?: string
    inputTokens?: number
    tag?: string[]
    requestTag?: string[]
  }
  example(
    remote(group.command('explain <model>')),
    'route explain small --as Support',
    'route explain small --as Support --tag eu',
  )
    .description('where a request would go now, and why')
    .requiredOption('--as <tenant>', 'tenant that asks, by name or id')
    .addOption(new Option('--class <class>', "instead of the tenant's own").choices(serviceClasses))
    .option('--input-tokens <n>', 'length of the prompt (default: 0)', between(0, 100_000_000))
    .option('--tag <tag...>', 'tags of its key')
    .option('--request-tag <tag...>', 'tags that it brings in x-gristmill-tags')
    .action(async (model: string, { as, inputTokens, ...flags }: ExplainFlags) => {
      const client = connect(context, flags)
      const { id } = await findTenant(client, as)
      const [keyTags, requestTags] = [flags.tag?.join(), flags.requestTag?.join()]
      const query = { model, tenant: id, class: flags.class, inputTokens, keyTags, requestTags }
      const found = await client.get<RouteExplanationView>(`${PATH}/explain`, query)
      show(context, flags, found, () => tellExplanation(terminal, found))
    })
}

const ofVersion = (flags: string, description: string) =>
  new Option(flags, description).argParser(between(0, VERSION_MAX))

const columns: Column<RouteView>[] = [
  { title: 'ROUTE', value: ({ name }) => name },
  { title: 'ALIASES', value: ({ aliases }) => aliases.join(', ') || '–' },
  { title: 'TARGETS', value: ({ targets }) => targets.map(placeOf).join(', ') },
  { title: 'ENDS', value: ({ deprecation }) => deprecation?.date ?? '–' },
  { title: 'SUCCESSOR', value: ({ deprecation }) => deprecation?.successor ?? '–' },
]

const versionColumns: Column<RouteVersionView>[] = [
  { title: 'VERSION', value: ({ version }) => String(version), align: 'right' },
  { title: 'SINCE', value: ({ at }) => moment(at) },
  { title: 'BY', value: ({ actor }) => actor },
  { title: 'NOTE', value: ({ note }) => note },
]

type ExplainedTarget = RouteExplanationView['targets'][number]

const targetColumns: Column<ExplainedTarget>[] = [
  { title: 'TARGET', value: (target) => placeOf(target) },
  { title: 'PREFERENCE', value: ({ preference }) => String(preference), align: 'right' },
  { title: 'WEIGHT', value: ({ weight }) => String(weight), align: 'right' },
  { title: 'FIRST', value: ({ share }) => `${Math.round(100 * share)} %`, align: 'right' },
  { title: 'WHY', value: ({ why }) => why },
]

const guardColumns: Column<RouteExplanationView['guards'][number]>[] = [
  { title: 'GUARD', value: ({ name }) => name },
  { title: 'WHEN', value: ({ when }) => when },
  { title: 'DOES', value: ({ does }) => does },
]

const placeOf = ({ model, engine }: Pick<ExplainedTarget, 'model' | 'engine'>) =>
  engine === null ? model : `${model} on ${engine}`

function tellExplanation(terminal: Terminal, found: RouteExplanationView): void {
  const { tenant, model, route, serviceClass, deprecation, mayUse } = found
  const what = route === null ? `${model} has no route` : `${model} is the route ${route}`
  terminal.print(`${what}; ${tenant} asks with class ${serviceClass}.`)
  if (!mayUse) terminal.print(`${tenant} may not use it: its list of models does not name it.`)
  if (deprecation) {
    const instead = deprecation.successor ? `; then ask for ${deprecation.successor}` : ''
    terminal.print(`It is answered until ${deprecation.date}${instead}.`)
  }
  printTable(terminal, found.targets, targetColumns, 'It has no targets.')
  if (found.guards.length > 0) printTable(terminal, found.guards, guardColumns, '')
}

function tellApplied(terminal: Terminal, set: RouteSetView): void {
  terminal.print(`Version ${set.version} of the routes holds: ${set.routes.length} routes.`)
  warn(terminal, set)
}

function warn(terminal: Terminal, { warnings }: RouteSetView): void {
  for (const warning of warnings) terminal.note(`note: ${warning}`)
}

function one(routes: readonly RouteView[], name: string): RouteView {
  const found = routes.find((route) => route.name === name || route.aliases.includes(name))
  if (found) return found
  throw new GristmillError('not_found', { kind: 'route', id: name })
}
