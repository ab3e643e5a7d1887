/** `npm run -s chaos -- NAME [--seed S] [--json]`: breaks things and looks at what is left. */
import { parseArgs } from 'node:util'
import { chaosMixed } from './chaos-mixed.ts'
import { circumstances } from './harness.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    calls: { type: 'string', default: '2000' },
    model: { type: 'string', default: 'toy' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [name] = positionals
if (values.help || name !== 'mixed') {
  console.error(
    'npm run -s chaos -- mixed [--seed N] [--calls N] [--model toy|NAME|PATH] [--json]\n\n' +
      '  mixed   calls of the openai SDK, two engine kills, one gateway kill; then the ledger',
  )
  process.exitCode = values.help ? 0 : 2
} else {
  const result = await chaosMixed({
    seed: Number(values.seed),
    calls: Number(values.calls),
    model: values.model,
    log: (line) => console.error(line),
  })
  const report = { ...result, ...circumstances() }
  console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, null, 2))
}
