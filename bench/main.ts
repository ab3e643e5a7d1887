/** `npm run -s bench -- NAME [--json] [options]`: runs one benchmark and prints its figures. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'

interface Bench {
  /** What its options mean; shown by `--help`. */
  help: string
  run(flags: Flags, log: (text: string) => void): Promise<object>
}

type Flags = Record<string, string | boolean | undefined>

const number = (flags: Flags, name: string) =>
  flags[name] === undefined ? undefined : Number(flags[name])
const given = <Key extends string>(values: Record<Key, number | undefined>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<
    Record<Key, number>
  >

const benches: Record<string, Bench> = {
  overhead: {
    help: 'CPU of the gateway against a bare proxy [--pairs N] [--requests N] [--streams N] [--latency N] [--memory-requests N] [--connections N] [--seed N] [--parts] [--base REF] [--processes N] [--charged] [--profile DIR]',
    async run(flags, log) {
      const { benchOverhead } = await import('./overhead.ts')
      return benchOverhead({
        ...given({
          pairs: number(flags, 'pairs'),
          requests: number(flags, 'requests'),
          streams: number(flags, 'streams'),
          latencyRequests: number(flags, 'latency'),
          memoryRequests: number(flags, 'memory-requests'),
          connections: number(flags, 'connections'),
          processes: number(flags, 'processes'),
          seed: number(flags, 'seed'),
        }),
        profile: typeof flags.profile === 'string' ? flags.profile : undefined,
        base: typeof flags.base === 'string' ? flags.base : undefined,
        parts: flags.parts === true,
        charged: flags.charged === true,
        log,
      })
    },
  },
  start: {
    help: 'from `npm start` to the first answer, on a new and a used home [--model NAME|PATH] [--runs N]',
    async run(flags, log) {
      const { benchStart } = await import('./start.ts')
      const { circumstances } = await import('./harness.ts')
      const model = typeof flags.model === 'string' ? flags.model : undefined
      const runs = given({ runs: number(flags, 'runs') })
      return { ...(await benchStart({ model, ...runs, log })), ...circumstances() }
    },
  },
  books: {
    help: 'a ledger of a year: usage, closing a month, the proof of all [--requests N] [--seed N]',
    async run(flags, log) {
      const { benchBooks } = await import('./books.ts')
      const { circumstances } = await import('./harness.ts')
      const sizes = given({ requests: number(flags, 'requests'), seed: number(flags, 'seed') })
      return { ...(await benchBooks({ ...sizes, log })), ...circumstances() }
    },
  },
  isolation: {
    help: 'a light tenant beside a flood, fair and first come first served [--model NAME|PATH] [--seed N] [--quick]',
    async run(flags, log) {
      const { benchIsolation } = await import('./isolation.ts')
      const { circumstances } = await import('./harness.ts')
      const result = await benchIsolation({
        model: typeof flags.model === 'string' ? flags.model : undefined,
        ...given({ seed: number(flags, 'seed') }),
        quick: flags.quick === true,
        log,
      })
      if (!result.enough) log('Not enough: percentiles here stand on fewer than 100 requests.')
      return { ...result, ...circumstances() }
    },
  },
  soak: {
    help: 'mixed work for an hour; what must not grow [--minutes N] [--model NAME|PATH] [--seed N]',
    async run(flags, log) {
      const { benchSoak } = await import('./soak.ts')
      const { circumstances } = await import('./harness.ts')
      const result = await benchSoak({
        model: typeof flags.model === 'string' ? flags.model : undefined,
        ...given({ minutes: number(flags, 'minutes'), seed: number(flags, 'seed') }),
        log,
      })
      return { ...result, ...circumstances() }
    },
  },
  gateways: {
    help: 'a light tenant beside a flood, and requests a second, through one gateway and through more [--model NAME|PATH] [--pairs N] [--requests N] [--seconds N] [--seed N]',
    async run(flags, log) {
      const { benchGateways } = await import('./gateways.ts')
      const { circumstances } = await import('./harness.ts')
      const result = await benchGateways({
        model: typeof flags.model === 'string' ? flags.model : undefined,
        ...given({
          pairs: number(flags, 'pairs'),
          requests: number(flags, 'requests'),
          seconds: number(flags, 'seconds'),
          seed: number(flags, 'seed'),
        }),
        log,
      })
      return { ...result, ...circumstances() }
    },
  },
  utilisation: {
    help: 'how full batch makes an engine, and what first tokens pay [--model NAME|PATH] [--engine vllm|vllm-priority --dir DIR] [--seed N] [--runs N] [--seconds N] [--calibration N] [--samples FILE] [--curve]',
    async run(flags, log) {
      const { benchUtilisation } = await import('./utilisation.ts')
      const { circumstances } = await import('./harness.ts')
      const result = await benchUtilisation({
        model: typeof flags.model === 'string' ? flags.model : undefined,
        engine: typeof flags.engine === 'string' ? flags.engine : undefined,
        dir: typeof flags.dir === 'string' ? flags.dir : undefined,
        ...given({
          seed: number(flags, 'seed'),
          runs: number(flags, 'runs'),
          seconds: number(flags, 'seconds'),
          calibration: number(flags, 'calibration'),
        }),
        curve: flags.curve === true,
        samples: typeof flags.samples === 'string' ? flags.samples : undefined,
        log,
      })
      return { ...result, ...circumstances() }
    },
  },
  'sim-fairness': {
    help: 'gaps between tenants on a virtual clock, ours and other orders [--seed N]',
    async run(flags, log) {
      const { benchSimFairness } = await import('./sim-fairness.ts')
      const { circumstances } = await import('./harness.ts')
      return {
        ...benchSimFairness({ ...given({ seed: number(flags, 'seed') }), log }),
        ...circumstances(),
      }
    },
  },
  'sim-day': {
    help: 'a day of traces on a virtual clock, batch beside interactive [--traces DIR] [--only NAME] [--profile NAME] [--yields step|prompts|none] [--days N] [--seed N]',
    async run(flags, log) {
      const { benchSimDay } = await import('./sim-day.ts')
      const { circumstances } = await import('./harness.ts')
      const named = (name: string) => {
        const value = flags[name]
        return typeof value === 'string' ? value : undefined
      }
      const options = {
        traces: named('traces'),
        only: named('only'),
        profile: named('profile'),
        yields: named('yields'),
        ...given({ seed: number(flags, 'seed'), days: number(flags, 'days') }),
      }
      return { ...(await benchSimDay({ ...options, log })), ...circumstances() }
    },
  },
  'sim-real': {
    help: 'the simulator against a real run of the same trace --model NAME|PATH [--seconds N] [--calibration N] [--keep DIR] [--seed N], or against one that was kept --replay DIR',
    async run(flags, log) {
      const { circumstances } = await import('./harness.ts')
      if (typeof flags.replay === 'string') {
        const { replay } = await import('./sim-real-kept.ts')
        return { ...replay(flags.replay), ...circumstances() }
      }
      if (typeof flags.model !== 'string') throw new Error('--model NAME|PATH is needed')
      const { benchSimReal } = await import('./sim-real.ts')
      const result = await benchSimReal({
        model: flags.model,
        keep: typeof flags.keep === 'string' ? flags.keep : undefined,
        ...given({
          seconds: number(flags, 'seconds'),
          calibration: number(flags, 'calibration'),
          seed: number(flags, 'seed'),
        }),
        log,
      })
      return { ...result, ...circumstances() }
    },
  },
  rivals: {
    help: 'isolation and batch beside other gateways and engines --dir DIR [--only NAME,…] [--samples FILE] [--seconds N] [--guidellm] [--seed N]',
    async run(flags, log) {
      if (typeof flags.dir !== 'string') throw new Error('--dir DIR is needed')
      const { benchRivals } = await import('./rivals.ts')
      const { circumstances } = await import('./harness.ts')
      const result = await benchRivals({
        dir: flags.dir,
        only: typeof flags.only === 'string' ? flags.only : undefined,
        samples: typeof flags.samples === 'string' ? flags.samples : undefined,
        ...given({ seconds: number(flags, 'seconds'), seed: number(flags, 'seed') }),
        guideLlm: flags.guidellm === true,
        log,
      })
      return { ...result, ...circumstances() }
    },
  },
  scheduler: {
    help: 'one cycle of the scheduler at 1,000,000 queued [--pairs N] [--seed N]',
    async run(flags, log) {
      const { benchScheduler } = await import('./scheduler.ts')
      return benchScheduler({
        ...given({ pairs: number(flags, 'pairs'), seed: number(flags, 'seed') }),
        log,
      })
    },
  },
  engine: {
    help: 'the embedded engine against its library --model PATH [--rival PATH] [--pairs N] [--threads N] [--prefill [--prompts N]] [--repeat] [--memory]',
    async run(flags, log) {
      const { benchEngine } = await import('./engine.ts')
      const { circumstances } = await import('./harness.ts')
      if (typeof flags.model !== 'string') throw new Error('--model PATH is needed')
      const result = await benchEngine({
        model: flags.model,
        rival: typeof flags.rival === 'string' ? flags.rival : undefined,
        ...given({
          pairs: number(flags, 'pairs'),
          threads: number(flags, 'threads'),
          prompts: number(flags, 'prompts'),
        }),
        memory: flags.memory === true,
        prefill: flags.prefill === true,
        repeat: flags.repeat === true,
        log,
      })
      return { ...result, ...circumstances() }
    },
  },
}

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const options: ParseArgsOptionsConfig = {
  json: flag,
  help: flag,
  memory: flag,
  prefill: flag,
  repeat: flag,
  quick: flag,
  curve: flag,
  parts: flag,
  charged: flag,
  guidellm: flag,
  ...Object.fromEntries(
    [
      'pairs',
      'prompts',
      'threads',
      'requests',
      'streams',
      'latency',
      'memory-requests',
      'seed',
      'connections',
      'processes',
      'model',
      'rival',
      'profile',
      'traces',
      'only',
      'keep',
      'replay',
      'yields',
      'days',
      'minutes',
      'runs',
      'seconds',
      'calibration',
      'samples',
      'dir',
      'engine',
      'base',
    ].map((n) => [n, text]),
  ),
}
const { values, positionals } = parseArgs({ options, allowPositionals: true })
const flags = values as Flags
const [name = ''] = positionals
const bench = benches[name]
if (bench === undefined || flags.help === true) {
  const lines = Object.entries(benches).map(([one, { help }]) => `  ${one.padEnd(11)} ${help}`)
  console.error(`npm run -s bench -- NAME [--json]\n\n${lines.join('\n')}`)
  process.exitCode = flags.help === true ? 0 : 2
} else {
  const result = await bench.run(flags, (line) => console.error(line))
  console.log(flags.json === true ? JSON.stringify(result) : JSON.stringify(result, null, 2))
}
