import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readConfig } from './config.ts'
import { reportConfig } from './config-report.ts'
import { limitTable } from './limits.ts'

const folder = mkdtempSync(join(tmpdir(), 'config-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

test('a file sets what the environment does not', () => {
  const path = file('both', "# comment\nGRISTMILL_PORT=5000\nGRISTMILL_HOST='0.0.0.0'\n")
  const config = readConfig({ GRISTMILL_CONFIG: path, GRISTMILL_PORT: '6000' })
  assert.equal(config.port, 6000)
  assert.equal(config.host, '0.0.0.0')
})

test('a secret stands in a file of its own, which the file of settings may name', () => {
  const secret = file('token', 'hf_1234\n')
  const path = file('named', `HF_TOKEN_FILE=${secret}\n`)
  assert.equal(readConfig({ GRISTMILL_CONFIG: path }).hubToken, 'hf_1234')
  const twice = { HF_TOKEN: 'other', HF_TOKEN_FILE: secret }
  assert.throws(() => readConfig(twice), /HF_TOKEN: it is set, and so is HF_TOKEN_FILE/)
})

test('what is empty is as it would be without it', () => {
  const given = {
    ...{ GRISTMILL_PORT: '', GRISTMILL_REVOKE_ENDS_STREAMS: '', GRISTMILL_PASSWORD_LOGIN: '' },
    ...{ GRISTMILL_OFFLINE: '', OTEL_TRACES_SAMPLER_ARG: '', GRISTMILL_END_USER_HEADER: '' },
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', GRISTMILL_QUEUE_DEPTH_MAX: '' },
  }
  const { OTEL_EXPORTER_OTLP_ENDPOINT } = given
  assert.deepEqual(readConfig(given), readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT }))
  // A secret that did not arrive is not taken for one that nobody wants.
  assert.throws(() => readConfig({ DATABASE_URL: '' }), /DATABASE_URL/)
})

test('an address without its protocol is told as such', () => {
  for (const name of ['GRISTMILL_URL', 'GRISTMILL_PUBLIC_URL', 'GRISTMILL_CLUSTER_URL']) {
    for (const address of ['localhost:4400', '10.0.0.7:4400', 'mill.example.com']) {
      const { wrong } = reportConfig({ [name]: address })
      assert.match(wrong.join('\n'), new RegExp(`${name}: must begin with http:// or https://`))
    }
  }
})

test('everything that is wrong is told at once, and nothing is guessed', () => {
  const path = file('wrong', 'GRISTMILL_PROT=1\nGRISTMILL_WAIT_MS_MAX=soon\n')
  const { wrong, unknown } = reportConfig({
    GRISTMILL_CONFIG: path,
    GRISTMILL_PORT: '70000',
    GRISTMILL_ENGIN: 'none',
    DATABASE_URL_FILE: join(folder, 'absent'),
  })
  const said = wrong.join('\n')
  for (const part of [
    /GRISTMILL_PROT: .*wrong sets it; there is no such variable/,
    /GRISTMILL_WAIT_MS_MAX: soon is not a whole number/,
    /GRISTMILL_PORT: /,
    /DATABASE_URL_FILE: .*ENOENT/,
  ]) {
    assert.match(said, part)
  }
  assert.deepEqual(unknown, ['GRISTMILL_ENGIN'])
})

test('a limit is within what makes sense of it', () => {
  const { wrong } = reportConfig({
    ...{ GRISTMILL_BATCH_LINES_IN_FLIGHT_MAX: '0', GRISTMILL_PAGE_ROWS_MAX: '-1' },
    ...{ GRISTMILL_PLAN_MS_MAX: '9999999999', GRISTMILL_FILE_RETENTION_DAYS: '1.5' },
    ...{ GRISTMILL_DATABASE_AWAY_MS_MAX: '0', GRISTMILL_CHOICES_MAX: '128' },
  })
  assert.deepEqual(wrong, [
    'GRISTMILL_FILE_RETENTION_DAYS: 1.5 is not a whole number, it may be 1 to 365000',
    'GRISTMILL_BATCH_LINES_IN_FLIGHT_MAX: 0 is too little, it may be 1 to 100000',
    'GRISTMILL_PLAN_MS_MAX: 9999999999 is too much, it may be 1000 to 86400000',
    'GRISTMILL_PAGE_ROWS_MAX: -1 is too little, it may be 1 to 10000',
  ])
  for (const { env, default: value, least, most } of Object.values(limitTable)) {
    assert.ok(least <= value && value <= most, env)
  }
})

test('a report says where values come from and shows no secret', () => {
  const secret = file('key', 'sk-1')
  const path = file('plain', 'GRISTMILL_PORT=5000\n')
  const { values } = reportConfig({
    GRISTMILL_CONFIG: path,
    GRISTMILL_API_KEY_FILE: secret,
    HF_TOKEN: 'hf_1234',
  })
  assert.ok(!JSON.stringify(values).includes('sk-1'))
  assert.ok(!JSON.stringify(values).includes('hf_1234'))
  const of = (name: string) => values.find((one) => one.name === name)
  assert.deepEqual(of('GRISTMILL_PORT'), { name: 'GRISTMILL_PORT', value: '5000', origin: path })
  assert.equal(of('GRISTMILL_API_KEY')?.origin, secret)
  assert.equal(of('HF_TOKEN')?.origin, 'environment')
})
