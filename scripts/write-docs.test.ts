import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { written } from './write-docs.ts'

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
