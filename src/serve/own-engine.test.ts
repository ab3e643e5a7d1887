import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLogger, readConfig, systemClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { EMBEDDED_ENGINE_ID, type EngineRegistry } from '../engine/index.ts'
import { openHome, processStart } from '../host/index.ts'
import { chooseModel, TOY_MODEL } from './model-choice.ts'
import { followOwnEngine, launchOwnEngine } from './own-engine.ts'

test('the program ends without waiting for an engine that starts again', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'gristmill-own-engine-'))
  const stack = new AsyncDisposableStack()
  t.after(async () => {
    await stack.disposeAsync()
    rmSync(path, { recursive: true })
  })
  const clock = systemClock
  const logger = createLogger('silent', 'test')
  const config = readConfig({
    GRISTMILL_HOME: path,
    GRISTMILL_MODEL: TOY_MODEL,
    GRISTMILL_ENGINE_CAP: '2',
    GRISTMILL_LOG_LEVEL: 'info',
  })
  const home = await openHome(config, clock, { what: 'test', freeBytesMin: 0 })
  stack.defer(() => home.release())
  const onProgress = () => undefined
  const launched = await launchOwnEngine(
    { config, home, clock, logger, stack, onProgress },
    {
      id: EMBEDDED_ENGINE_ID,
      choosing: chooseModel(config, home, clock, logger, onProgress),
      quiet: undefined,
    },
  )
  const engines = { setEmbedded: async () => undefined } as unknown as EngineRegistry
  await followOwnEngine(launched, engines, stack)
  const record = join(home.folder('run'), 'engine.json')
  const first = launched.engine.pid() ?? 0
  process.kill(first, 'SIGKILL')
  const next = await eventually('it starts again', () => {
    const text = existsSync(record) ? readFileSync(record, 'utf8') : ''
    const pid = Number(/"childPid":(\d+)/.exec(text)?.[1] ?? first)
    return pid !== first && pid
  })
  await stack.disposeAsync()
  assert.equal(processStart(next), undefined)
  const log = readFileSync(join(home.folder('logs'), 'engine.log'), 'utf8')
  assert.equal(log.match(/engine ready/g)?.length, 1)
})
