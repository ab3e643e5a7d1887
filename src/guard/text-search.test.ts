import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { piiEntities } from './pii.ts'
import { HELD_CHARACTERS_MAX } from './scanner.ts'
import { TextSearch } from './text-search.ts'

const searchFor = (...patterns: string[]) =>
  new TextSearch({
    name: 'sample',
    kind: 'pattern',
    when: 'after',
    action: 'redact',
    patterns,
    replacement: '#',
  })

const pii = new TextSearch({
  name: 'pii',
  kind: 'pii',
  when: 'after',
  action: 'redact',
  entities: piiEntities,
})

/** The same text in pieces that end at these places. */
function inPieces(search: TextSearch, text: string, cuts: readonly number[]): string {
  const scanner = search.scanner(true)
  let out = ''
  let from = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    out += scanner.push(text.slice(from, Math.max(from, cut)))
    from = Math.max(from, cut)
  }
  return out + scanner.push(text.slice(from)) + scanner.end()
}

/** By trying every part of the text: what a match covers, runs of it replaced once. */
function byForce(pattern: string, text: string): string {
  const covered = new Set<number>()
  for (let from = 0; from < text.length; from++) {
    for (let to = from + 1; to <= text.length; to++) {
      const anchored = new RegExp(`(?<=^.{${from}})(?:${pattern})(?=.{${text.length - to}}$)`, 's')
      if (!anchored.test(text)) continue
      for (let at = from; at < to; at++) covered.add(at)
    }
  }
  return text
    .split('')
    .map((letter, at) => (covered.has(at) ? (covered.has(at - 1) ? '' : '#') : letter))
    .join('')
}

describe('patterns in a text', () => {
  it('are found wherever any part of it matches, as trying every part finds them', () => {
    const patterns = [
      'ab+',
      'a.?b',
      '\\bab\\b',
      '(?:ab|b)a',
      'a{2,3}',
      '[^b]b',
      '^a|b$',
      'c(?:ab)*c',
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...patterns),
        fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 10 }),
        (pattern, text) => {
          const expected = byForce(pattern, text)
          assert.equal(searchFor(pattern).redacted(text), expected)
          assert.equal(searchFor(pattern).finds(text), expected.includes('#'))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('are replaced the same in a stream, wherever its pieces end', () => {
    const words = ['a@b.de', 'bob.x@mail.example.org', '4111 1111 1111 1111', '+49 30 1234567', ' ']
    const others = ['sk-', 'Zürich', '🌾', '10.0.0.1', '\n', '12', '.', 'DE89370400440532013000']
    const text = fc
      .array(fc.constantFrom(...words, ...others), { maxLength: 12 })
      .map((parts) => parts.join(''))
    const searches = [pii, searchFor('sk-\\w*', '(?i)zürich|🌾+'), searchFor('\\d+', '[^.]\\.')]
    fc.assert(
      fc.property(
        fc.constantFrom(...searches),
        text,
        fc.array(fc.nat({ max: 120 }), { maxLength: 20 }),
        (search, whole, cuts) => {
          assert.equal(inPieces(search, whole, cuts), search.redacted(whole))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('hold nothing back that no match can reach', () => {
    const scanner = searchFor('secret: \\w+').scanner(true)
    assert.equal(scanner.push('The sec'), 'The ')
    assert.equal(scanner.push('ond '), 'second ')
    assert.equal(scanner.push('secret: ab'), '')
    assert.equal(scanner.push('cd, '), '#, ')
    assert.equal(scanner.push('end'), 'end')
    assert.equal(scanner.end(), '')
  })

  it('take time in proportion to the text, and hold no more than so much of it', () => {
    const scanner = searchFor('(?:a*)*b|(?:a|aa)+c').scanner(true)
    let out = 0
    for (let at = 0; at < 30; at++) out += scanner.push('a'.repeat(1000)).length
    assert.equal(out, 30_000 - HELD_CHARACTERS_MAX)
    assert.equal(scanner.push('b') + scanner.end(), 'a#')
  })
})

describe('personal data', () => {
  const redacted = (text: string) => pii.redacted(text)

  it('are known by their form and their check digits', () => {
    assert.equal(redacted('bob.smith+x@mail.example.co.uk, please'), '[EMAIL], please')
    assert.equal(redacted('call +49 30 1234567 or (555) 123-4567'), 'call [PHONE] or [PHONE]')
    assert.equal(redacted('12 4111 1111 1111 1111 3'), '12 [CARD] 3')
    assert.equal(redacted('378282246310005'), '[CARD]')
    assert.equal(redacted('DE89 3704 0044 0532 0130 00'), '[IBAN]')
    assert.equal(redacted('from 10.1.2.3 on'), 'from [IP] on')
    assert.equal(redacted('123-45-6789'), '[SSN]')
  })

  it('are not what only looks like them', () => {
    for (const text of [
      '4111 1111 1111 1112',
      'DE89 3704 0044 0532 0130 01',
      '999.1.1.1',
      '000-45-6789',
      'a @ b.de',
      'node@24',
      'version 1.2.3',
    ]) {
      assert.equal(redacted(text), text)
    }
  })
})
