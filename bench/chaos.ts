/** `npm run -s chaos -- NAME [--seed S] [--json]`: breaks things and looks at what is left. */
import { parseArgs } from 'node:util'
import { chaosAway } from './chaos-away.ts'
import { chaosBatch } from './chaos-batch.ts'
import { chaosBooks } from './chaos-books.ts'
import { chaosFailover } from './chaos-failover.ts'
import { chaosMixed } from './chaos-mixed.ts'
import { chaosMonths } from './chaos-months.ts'
import { chaosOverflow } from './chaos-overflow.ts'
import { chaosOvershoot } from './chaos-overshoot.ts'
import { chaosReplicas } from './chaos-replicas.ts'
import { chaosRolling } from './chaos-rolling.ts'
import { fuzz } from './fuzz.ts'
import { circumstances } from './harness.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    calls: { type: 'string', default: '2000' },
    lines: { type: 'string', default: '2000' },
    kills: { type: 'string', default: '20' },
    count: { type: 'string', default: '100000' },
    rounds: { type: 'string' },
    base: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    load: { type: 'string', default: '0.6' },
    model: { type: 'string', default: 'toy' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const log = (line: string) => console.error(line)
const seed = Number(values.seed)
const { model } = values
const names: Record<string, () => Promise<object>> = {
  mixed: () => chaosMixed({ seed, calls: Number(values.calls), model, log }),
  away: () => chaosAway({ seed, seconds: Number(values.seconds), log }),
  batch: () =>
    chaosBatch({ seed, lines: Number(values.lines), kills: Number(values.kills), model, log }),
  books: () => chaosBooks({ seed, rounds: Number(values.rounds ?? 1000), log }),
  fuzz: () => fuzz({ seed, count: Number(values.count), log }),
  overflow: () => chaosOverflow({ seconds: Number(values.seconds), log }),
  months: () => chaosMonths({ seed, months: Number(values.rounds ?? 10_000), log }),
  replicas: () => chaosReplicas({ seed, rounds: Number(values.rounds ?? 50), log }),
  rolling: () => chaosRolling({ seed, rounds: Number(values.rounds ?? 3), base: values.base, log }),
  overshoot: () => chaosOvershoot({ seed, rounds: Number(values.rounds ?? 50), log }),
  failover: () =>
    chaosFailover({ seed, seconds: Number(values.seconds), load: Number(values.load), log }),
}

const run = names[positionals[0] ?? '']
if (values.help || run === undefined) {
  console.error(
    'npm run -s chaos -- mixed [--seed N] [--calls N] [--model toy|NAME|PATH] [--json]\n' +
      'npm run -s chaos -- away [--seconds N] [--seed N] [--json]\n' +
      'npm run -s chaos -- batch [--seed N] [--lines N] [--kills N] [--model toy|real] [--json]\n' +
      'npm run -s chaos -- books [--rounds N] [--seed N] [--json]\n' +
      'npm run -s chaos -- fuzz [--seed N] [--count N] [--json]\n' +
      'npm run -s chaos -- failover [--seed N] [--seconds N] [--load SHARE] [--json]\n' +
      'npm run -s chaos -- months [--seed N] [--rounds N] [--json]\n' +
      'npm run -s chaos -- overflow [--seconds N] [--json]\n' +
      'npm run -s chaos -- overshoot [--seed N] [--rounds N] [--json]\n' +
      'npm run -s chaos -- replicas [--rounds N] [--seed N] [--json]\n' +
      'npm run -s chaos -- rolling [--rounds N] [--base REF] [--seed N] [--json]\n\n' +
      '  mixed   calls of the openai SDK, two engine kills, one gateway kill; then the ledger\n' +
      '  away    the database lost under load, for that long; what each kind of tenant meets\n' +
      '  batch   one batch beside people who stream; kills of gateway, engine and PostgreSQL\n' +
      '  books   ledger, budgets and journal killed at any step, the database and the disk as well\n' +
      '  fuzz    hostile requests at every door, a hostile engine behind them\n' +
      '  failover  one of two engines killed, slow, failing, hanging; what clients see of it\n' +
      '  months    random months charged to tenants, against an oracle in SQL\n' +
      '  overflow  an engine that cannot keep up beside a rented service; waits, spend and shares\n' +
      '  overshoot  gateways that share a budget are killed; what was spent in all\n' +
      '  replicas  three gateways, killed, stopped and cut off in turn; grants, shares, takeovers\n' +
      '  rolling  three gateways, restarted in turn under load; requests lost, streams broken',
  )
  process.exitCode = values.help ? 0 : 2
} else {
  const report = { ...(await run()), ...circumstances() }
  console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, null, 2))
}
