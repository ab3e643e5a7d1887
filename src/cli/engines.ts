/** `gristmill engine`: the engine program, and the engines of a running server. */
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import { childEnvironment, GristmillError } from '../base/index.ts'
import { serviceNames } from '../engine/index.ts'
import { whenParentGone } from '../host/index.ts'
import type {
  CalibrationView,
  EngineFoundView,
  EngineProfileView,
  EngineView,
} from '../http/index.ts'
import { type EngineOptions, engineArguments, engineEntry } from '../llama/index.ts'
import {
  type CliContext,
  configWith,
  confirm,
  connect,
  ExitWith,
  example,
  type RemoteFlags,
  remote,
  show,
} from './context.ts'
import { engineCostCommands } from './engine-costs.ts'
import { findEngine, listEnginesOf, secretFrom } from './engine-find.ts'
import { engineSecrets } from './engine-secrets.ts'
import { showEngine } from './engine-show.ts'
import { modelPath } from './models.ts'
import { type Column, printTable } from './table.ts'
import { count, figure, moment } from './units.ts'
import { between } from './values.ts'

const CALIBRATION_POLL_MS = 1000

/** Adds `engine` and `engine …` to the program. */
export function engineCommands(program: Command, context: CliContext): void {
  const group = program
    .command('engine')
    .description('run one model as an engine, or manage the engines of a server')
    // What stands behind `add` is its own, also where the engine program has the same name for it.
    .enablePositionalOptions()
    .option('--model <name|path>', 'run this model behind the OpenAI wire')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <n>', 'port to listen on (default: a free one)', between(0, 65_535))
    .option('--id <name>', 'name under which the model is served')
    .option('--cap <n>', 'requests in flight (default: what calibration finds)', between(1, 256))
    .option('--express <n>', 'further ones for newcomers (default: cap / 8)', between(0, 256))
    .option('--spare <n>', 'and for background work that stands aside', between(0, 256))
    .option('--threads <n>', 'threads (default: what calibration finds)', between(1, 512))
    .option('--context <tokens>', 'context of each request', between(256, 1_048_576))
    .addOption(
      new Option('--gpu <kind>', 'compute on a GPU as well').choices([
        'off',
        'auto',
        'cuda',
        'vulkan',
        'metal',
      ]),
    )
    .option('--cache <folder>', 'folder that keeps calibrations')
    .option('--sweep-ms <ms>', 'length of a calibration, 0 for none', between(0, 600_000))
    .option('--log-level <level>', 'least severe log lines written')
    .option('--home <folder>', 'data home that holds the models')
    .action((flags: EngineFlags, command: Command) => runEngine(context, flags, command))
  example(group, 'engine --model smollm2-135m-instruct --port 4500', 'engine list')
  listEngines(group, context)
  showEngine(group, context)
  addEngines(group, context)
  changeEngines(group, context)
  calibrateEngines(group, context)
  engineSecrets(group, context)
  engineCostCommands(group, context)
  profileEngines(group, context)
}

interface EngineFlags extends Partial<Omit<EngineOptions, 'model'>> {
  model?: string
  home?: string
  sweepMs?: number
  logLevel?: string
}

async function runEngine(
  context: CliContext,
  { model, home, sweepMs, logLevel, ...flags }: EngineFlags,
  command: Command,
): Promise<void> {
  if (model === undefined) return command.help({ error: true })
  const path = modelPath(context, home, model)
  const options: EngineOptions = {
    // One that is named is served under that name, as the same one at a server is.
    ...(path !== resolve(model) && { id: model }),
    ...flags,
    model: path,
    'sweep-ms': sweepMs,
    'log-level': logLevel,
    'parent-pipe': true,
  }
  // Both are what the engine program needs to run well; without them it would start itself anew.
  const child = spawn(
    process.execPath,
    ['--expose-gc', fileURLToPath(engineEntry), ...engineArguments(options)],
    { stdio: ['pipe', 'inherit', 'inherit'], env: childEnvironment({ UV_THREADPOOL_SIZE: '1' }) },
  )
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  const { parents } = configWith(context, {})
  if (parents.length > 0) whenParentGone(parents, context.clock, () => child.kill('SIGTERM'))
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
  if (code !== 0) throw new ExitWith(code)
}

function listEngines(group: Command, context: CliContext): void {
  example(remote(group.command('list')), 'engine list')
    .description('engines of the server, their state and slots')
    .action(async (flags: RemoteFlags) => {
      const engines = await listEnginesOf(connect(context, flags))
      show(context, flags, engines, () =>
        printTable(
          context.terminal,
          engines,
          columns,
          'No engine yet. Add one: gristmill engine add http://host:8000',
        ),
      )
    })
}

function addEngines(group: Command, context: CliContext): void {
  interface AddFlags extends RemoteFlags {
    name?: string
    cap?: number
    apiKeyEnv?: string
    service?: string
    replicas?: true
    apiVersion?: string
    model?: string[]
    dryRun?: true
  }
  example(
    remote(group.command('add [addresses...]')),
    'engine add http://10.0.0.7:8000 --name gpu-1 --cap 32',
    'engine add http://vllm-headless:8000 --replicas --name gpu',
    'engine add http://10.0.0.7:8000 http://10.0.0.8:8000',
    'engine add --service anthropic --model claude-sonnet-4-6 --api-key-env ANTHROPIC_API_KEY',
  )
    .description('add engines that speak the OpenAI wire, by their addresses, or a rented service')
    .option('--replicas', 'each address of its name is an engine of its own')
    .addOption(new Option('--service <name>', 'rent models from it').choices([...serviceNames]))
    .option('--model <name...>', 'only these of its models; must be named of a service')
    .option('--api-version <version>', "Azure's addresses by deployment, of this version")
    .option('--dry-run', 'say what it is, and do not add it')
    .option('--name <name>', 'name shown for it')
    .option('--cap <n>', 'requests in flight at most', between(1, 4096))
    .option('--api-key-env <variable>', 'environment variable here that holds its key')
    .action(async (urls: string[], given: AddFlags) => {
      const { name, cap, apiKeyEnv, service, apiVersion, model: models, ...others } = given
      const { replicas, dryRun, ...flags } = others
      const apiKey = apiKeyEnv && secretFrom(context, apiKeyEnv)
      if (urls.length > 1 && (name !== undefined || dryRun)) {
        const param = dryRun ? '--dry-run' : '--name'
        const reason = 'it is for one engine; give one address at a time'
        throw new GristmillError('invalid_value', { param, reason })
      }
      const [url] = urls
      const body = { url, replicas, service, apiVersion, name, models, cap, apiKey }
      if (dryRun) {
        const path = '/api/engines/detect'
        const found = await connect(context, flags).post<EngineFoundView>(path, body)
        show(context, flags, found, () => sayWhatItIs(context, found))
        return
      }
      const client = connect(context, flags)
      const all = urls.length > 0 ? urls : [undefined]
      const added: EngineView[] = []
      for (const one of all) {
        const engine = await client.post<EngineView>('/api/engines', { ...body, url: one })
        added.push(engine)
        if (!flags.json) sayAdded(context, engine)
      }
      if (flags.json) context.terminal.print(JSON.stringify(added.length > 1 ? added : added[0]))
    })
}

function changeEngines(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('remove <engine>')), 'engine remove gpu-1')
    .description('remove an engine, by name or id; what runs there is cut')
    .option('--yes', 'do not ask')
    .action(async (engine: string, flags: RemoteFlags & { yes?: true }) => {
      const client = connect(context, flags)
      const { id, name, inFlight } = await findEngine(client, engine)
      await confirm(context, flags, `Remove ${name}? ${count(inFlight)} requests run there.`)
      await client.delete(`/api/engines/${id}`)
      show(context, flags, { id, removed: true }, () => terminal.print(`Removed ${name}.`))
    })
  example(remote(group.command('drain <engine>')), 'engine drain gpu-1')
    .description('finish what runs on an engine and give it nothing new')
    .action(async (engine: string, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const { id } = await findEngine(client, engine)
      const drained = await client.post<EngineView>(`/api/engines/${id}/drain`)
      show(context, flags, drained, () =>
        terminal.print(`${drained.name} drains: ${count(drained.inFlight)} requests still run.`),
      )
    })
  example(remote(group.command('resume <engine>')), 'engine resume gpu-1')
    .description('give an engine that drains work again')
    .action(async (engine: string, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const { id } = await findEngine(client, engine)
      const resumed = await client.post<EngineView>(`/api/engines/${id}/resume`)
      show(context, flags, resumed, () =>
        terminal.print(`${resumed.name} is ${resumed.state}. ${resumed.stateReason}`),
      )
    })
}

function sayAdded(context: CliContext, engine: EngineView): void {
  const models = engine.models.map((model) => model.name).join(', ')
  context.terminal.print(`Added ${engine.name} (${engine.id}): ${engine.state}. Models: ${models}`)
  sayWhatItIs(context, engine)
}

function sayWhatItIs(
  { terminal }: CliContext,
  { summary, advice }: Pick<EngineFoundView, 'summary' | 'advice'>,
): void {
  terminal.print(`${summary}.`)
  if (advice !== null) terminal.print(`Could be better: ${advice}`)
}

/** Begins a calibration and waits for its end. */
function calibrateEngines(group: Command, context: CliContext): void {
  const { terminal, clock } = context
  example(remote(group.command('calibrate <engine>')), 'engine calibrate gpu-1')
    .description('measure what an engine can do; it runs behind all other work')
    .action(async (engine: string, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const { id, name } = await findEngine(client, engine)
      let view = await client.post<CalibrationView>(`/api/engines/${id}/calibrate`)
      for (let shown = -1; view.state === 'running'; ) {
        const percent = Math.round(view.progress * 100)
        if (percent !== shown) terminal.status(`Calibrating ${name}: ${percent} %`)
        shown = percent
        await clock.sleep(CALIBRATION_POLL_MS)
        view = await client.get<CalibrationView>(`/api/engines/${id}/calibration`)
      }
      if (view.failure !== null || view.last === null) {
        throw new GristmillError('engine_failed', {
          reason: view.failure ?? 'nothing was measured',
        })
      }
      const { last } = view
      show(context, flags, view, () => {
        printTable(terminal, last.points, calibrationColumns, '')
        terminal.print(calibrationInWords(last))
      })
    })
}

function profileEngines(group: Command, context: CliContext): void {
  example(remote(group.command('profile <engine>')), 'engine profile gpu-1 > gpu-1.json')
    .description('a calibrated engine as JSON, for `gristmill plan --engine FILE`')
    .action(async (engine: string, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const { id } = await findEngine(client, engine)
      const profile = await client.get<EngineProfileView>(`/api/engines/${id}/profile`)
      context.terminal.print(JSON.stringify(profile, null, 2))
    })
}

type Calibrated = NonNullable<CalibrationView['last']>

const calibrationColumns: Column<Calibrated['points'][number]>[] = [
  { title: 'AT ONCE', value: ({ concurrency }) => count(concurrency), align: 'right' },
  { title: 'UNITS/S', value: ({ unitsPerS }) => figure(unitsPerS), align: 'right' },
  {
    title: 'MS PER TOKEN, P95',
    value: ({ tokenGapP95Ms: ms }) => (ms === null ? '–' : figure(ms)),
    align: 'right',
  },
]

function calibrationInWords({ capacityUnitsPerS, knee, weights }: Calibrated): string {
  return [
    `Capacity ${figure(capacityUnitsPerS)} units/s; ${count(knee)} requests at once do nearly as much.`,
    `An output token costs ${weights.output} prompt tokens, one found read ${weights.cached};`,
    'from the next start of the server on these are the weights of its cost unit.',
  ].join('\n')
}

const columns: Column<EngineView>[] = [
  { title: 'ENGINE', value: ({ name }) => name },
  { title: 'ID', value: ({ id }) => id },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'MODELS', value: ({ models }) => models.map(modelInWords).join(', ') },
  {
    title: 'IN FLIGHT',
    value: ({ inFlight, cap, express }) => `${inFlight} of ${cap} + ${express}`,
    align: 'right',
  },
  {
    title: 'CAPACITY',
    value: ({ capacityUnitsPerS: value }) => (value === null ? '–' : `${figure(value)} units/s`),
    align: 'right',
  },
  { title: 'CACHE', value: ({ sharedCache }) => (sharedCache ? 'shared' : 'apart') },
  { title: 'SINCE', value: ({ sinceAt }) => moment(sinceAt) },
  { title: 'WHY', value: ({ stateReason }) => stateReason },
]

const modelInWords = ({ name, toy }: EngineView['models'][number]) =>
  toy ? `${name} (toy model)` : name
