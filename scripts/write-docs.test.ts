import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { configurationNames } from '../src/base/config.ts'
import { limitTable } from '../src/base/index.ts'
import { v1Endpoints, v1Folders } from '../src/http/permissions.ts'
import { written } from './write-docs.ts'

/** Of all headings, as GitHub makes them. */
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )

describe('the documents', () => {
  for (const [path, { now, should }] of written()) {
    it(`${path} says what the source says`, () => {
      assert.ok(now === should, 'run: node scripts/write-docs.ts')
    })
  }

  it('link only to files that exist', () => {
    const missing = globSync(['*.md', 'docs/**/*.md']).flatMap((path) => {
      const links = readFileSync(path, 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)/g)
      return [...links]
        .map(([, link = '']) => join(dirname(path), link))
        .filter((target) => globSync(target).length === 0)
        .map((target) => `${path} → ${target}`)
    })
    assert.deepEqual(missing, [])
  })

  it('link only to headings that exist', () => {
    const missing = globSync(['*.md', 'docs/**/*.md']).flatMap((path) => {
      const links = readFileSync(path, 'utf8').matchAll(/\]\(((?!https?:)[^)#]*)#([^)]+)\)/g)
      return [...links]
        .map(([, link = '', heading = '']) => ({ target: join(dirname(path), link), heading }))
        .filter(({ target, heading }) => {
          const text = readFileSync(target.endsWith('.md') ? target : path, 'utf8')
          return !anchorsOf(text).includes(heading)
        })
        .map(({ target, heading }) => `${path} → ${target}#${heading}`)
    })
    assert.deepEqual(missing, [])
  })

  it('name only variables that mean something', () => {
    const names = new Set([...configurationNames()].flatMap((name) => [name, `${name}_FILE`]))
    const tests = globSync(['test/**/*.ts', 'src/**/*.test.ts']).map((path) =>
      readFileSync(path, 'utf8'),
    )
    const strange = globSync(['*.md', 'docs/*.md']).flatMap((path) => {
      const named = readFileSync(path, 'utf8').match(/\bGRISTMILL_[A-Z_]+\b/g) ?? []
      return named
        .filter((name) => !names.has(name) && !tests.some((text) => text.includes(name)))
        .map((name) => `${path}: ${name}`)
    })
    assert.deepEqual(strange, [])
  })

  it('give limits beside their variables as they are', () => {
    const defaults = new Map(Object.values(limitTable).map((one) => [one.env, one.default]))
    const factors: Record<string, number> = { s: 1000, min: 60_000, MiB: 2 ** 20, GiB: 2 ** 30 }
    const told = globSync(['*.md', 'docs/*.md']).flatMap((path) => {
      const text = readFileSync(path, 'utf8')
      const before = text.matchAll(/(\d[\d,]*) (\w+)[\w ]{0,30}\(`(GRISTMILL_\w+)`\)/g)
      const after = text.matchAll(/`(GRISTMILL_\w+)`,? \(?(\d[\d,]*)(?: (\w+))?\)/g)
      return [
        ...[...before].map(([, figure = '', unit = '', env = '']) => ({ env, figure, unit })),
        ...[...after].map(([, env = '', figure = '', unit = '']) => ({ env, figure, unit })),
      ].map(({ env, figure, unit }) => {
        const value = Number(figure.replaceAll(',', '')) * (factors[unit] ?? 1)
        return { said: `${path}: ${figure} ${unit}, ${env}`, value, is: defaults.get(env) }
      })
    })
    assert.ok(told.length > 6, `${told.length} figures`)
    for (const { said, value, is } of told) assert.equal(value, is, said)
  })

  it('name only figures of /metrics that exist', () => {
    const sources = globSync('src/**/*.ts').map((path) => readFileSync(path, 'utf8'))
    const all = sources.join('\n')
    const strange = globSync(['*.md', 'docs/*.md']).flatMap((path) => {
      const named = readFileSync(path, 'utf8').match(/`gristmill_[a-z_]+/g) ?? []
      return named
        .map((name) => name.slice('`gristmill_'.length))
        .filter((name) => !new RegExp(`['"\`](gristmill_)?${name}`).test(all))
        .map((name) => `${path}: gristmill_${name}`)
    })
    assert.deepEqual(strange, [])
  })

  it('name everything that is below /v1', () => {
    const api = readFileSync('docs/api.md', 'utf8')
    for (const [path, { method }] of v1Endpoints) {
      assert.ok(api.includes(`\`${method} ${path}\``), `${method} ${path}`)
    }
    for (const folder of Object.values(v1Folders)) assert.ok(api.includes(folder), folder)
  })

  it('name every header of ours', () => {
    const api = readFileSync('docs/api.md', 'utf8')
    const sources = globSync('src/gateway/*.ts').map((path) => readFileSync(path, 'utf8'))
    const headers = new Set(sources.join('\n').match(/x-gristmill-[a-z-]+/g))
    assert.ok(headers.size > 3)
    for (const header of headers) assert.ok(api.includes(`\`${header}\``), header)
  })

  it('carry a date in the name of every decision', () => {
    for (const path of globSync('docs/decisions/*')) {
      assert.match(path, /\/\d{4}-\d\d-\d\d-[a-z0-9-]+\.md$/)
    }
  })
})
