import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../base/index.ts'
import { writeToyModel } from '../llama/index.ts'
import { cli } from './test-cli.ts'

const home = mkdtempSync(join(tmpdir(), 'gristmill-engine-'))
after(() => rmSync(home, { recursive: true }))

it('an engine alone serves a model under the name that the home has for it', async () => {
  const file = join(home, 'Toy.Mill.gguf')
  await writeToyModel(file, { kind: 'markov', seed: 1, contextTokens: 512 })
  const added = await cli(['model', 'add', file], { GRISTMILL_HOME: home })
  assert.equal(added.code, 0, added.err)
  for (const [model, served] of [
    ['toy.mill', 'toy.mill'],
    [file, 'Toy.Mill'],
  ] as const) {
    const words = [
      'engine',
      '--model',
      model,
      '--home',
      home,
      '--cap',
      '1',
      '--threads',
      '1',
      '--sweep-ms',
      '0',
    ]
    const program = fileURLToPath(new URL('program.ts', import.meta.url))
    const engine = spawn(process.execPath, [program, ...words], {
      env: childEnvironment(),
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [line] = (await once(createInterface({ input: engine.stdout }), 'line')) as [string]
    engine.kill('SIGTERM')
    await once(engine, 'exit')
    assert.equal(JSON.parse(line).model, served)
  }
})
