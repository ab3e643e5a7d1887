import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { GuardView, RouteView } from '../http/index.ts'
import { readDocument } from '../route/index.ts'
import { parseRoutes, routesAsYaml } from './route-file.ts'

const routes = [
  {
    name: 'small',
    aliases: ['gpt-4o-mini', 'yes'],
    targets: [
      { model: 'toy', weight: 3 },
      {
        model: '1.5',
        engine: 'gpu: 1',
        preference: 2,
        when: { tenants: ['no'], inputTokensMin: 0 },
      },
      { model: 'big', price: { inputNanos: 50, outputNanos: 0 } },
    ],
    defaults: { temperature: 0, stop: [], logit_bias: {}, seed: null },
    overflow: { allowances: { '*': 0 } },
  },
  { name: 'old', targets: [{ model: 'toy' }], deprecation: { date: '2099-01-01' } },
]

const guards = [
  { name: 'keys', kind: 'pattern', when: 'before', patterns: [String.raw`sk-\w+`] },
  { name: 'no-pii', kind: 'pii', when: 'after', action: 'redact', tenants: ['Sales'] },
  { name: 'form', kind: 'schema', schema: { type: 'object' }, routes: ['small'] },
  { name: 'ours', kind: 'http', when: 'before', url: 'https://a.example/', onFailure: 'open' },
]

describe('routes in a file', () => {
  it('come back the same when they are exported and read again', () => {
    const read = readDocument({ routes, guards })
    const written = JSON.parse(JSON.stringify(read)) as { routes: RouteView[]; guards: GuardView[] }
    const text = routesAsYaml(written.routes, written.guards)
    const { lineOf: _, ...again } = parseRoutes(text)
    assert.deepEqual(readDocument(again), read)
    assert.doesNotMatch(text, /engine: null|preference: 1|price: null|aliases: \[\]/)
  })

  it('has guards as the documents show them', () => {
    const page = readFileSync(new URL('../../docs/routes.md', import.meta.url), 'utf8')
    const shown = /^guards:\n.*?(?=^```)/ms.exec(page)?.[0] ?? ''
    const { lineOf: _, ...read } = parseRoutes(`routes: []\n${shown}`)
    assert.equal(readDocument(read).guards?.length, 4)
  })

  it('may be JSON as well, with the same meaning', () => {
    assert.deepEqual(parseRoutes(JSON.stringify({ routes })).routes, routes)
  })

  it('lead from a path to its line, or to what is around it', () => {
    const { lineOf } = parseRoutes(
      'routes:\n  - name: a\n    targets:\n      - model: m\n        weight: x\n  - name: b\n',
    )
    const paths = [
      'routes.0.targets.0.weight',
      'routes.1',
      'routes.1.targets',
      'routes.0.name',
      'x',
    ]
    assert.deepEqual(paths.map(lineOf), [5, 6, 6, 2, 1])
  })

  it('say where they are no YAML, and what is missing', () => {
    assert.throws(() => parseRoutes('routes: [\n'), /line 2/)
    assert.throws(() => parseRoutes('routes:\n  - a: 1\n    a: 2\n'), /unique/)
    assert.throws(() => parseRoutes('engines: []\n'), /a list "routes" is needed/)
    assert.throws(() => parseRoutes(''), /a list "routes" is needed/)
  })
})
