/** Every command line that documents and console show is one that the program knows. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { cli } from './test-cli.ts'

interface Shown {
  path: string
  words: string[]
}

/** What stands in code: blocks without the lines that are no commands, and short pieces of text. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```(?:sh|console)?\n(.*?)^```$/gms)].map(([, code = '']) =>
    code.replaceAll(/\\\n\s*/g, ' '),
  )
  const prose = text.replaceAll(/^```.*?^```$/gms, '')
  const pieces = [...prose.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replace('\n', ' '))
  return [...blocks, ...pieces]
}

/** Command lines of ours, up to whatever a shell would take as their end. */
function commandsOf(path: string): Shown[] {
  const begin = /(?:^|[$(|;] ?)gristmill ((?:"[^"]*"|'[^']*'|[^\n|;&#>)])*)/gm
  return codeOf(readFileSync(path, 'utf8')).flatMap((code) =>
    [...code.matchAll(begin)].map(([, line = '']) => ({
      path,
      words: line.match(/"[^"]*"|'[^']*'|\S+/g) ?? [],
    })),
  )
}

/** What the console shows, its own values as a word each; those parts may be flags as well. */
function commandsOfConsole(path: string): Shown[] {
  const text = withoutValues(readFileSync(path, 'utf8'))
  return [...text.matchAll(/[`'"]gristmill ([a-z][^`'"<|&\n]*)/g)].map(([, line = '']) => ({
    path,
    words: line.trim().split(/\s+/),
  }))
}

const VALUE = 'VALUE'

function withoutValues(text: string): string {
  let out = ''
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    if (text.startsWith('${', at)) {
      if (depth === 0) out += VALUE
      depth += 1
      at += 1
    } else if (depth === 0) out += text[at]
    else if (text[at] === '{') depth += 1
    else if (text[at] === '}') depth -= 1
  }
  return out
}

interface Help {
  commands: ReadonlySet<string>
  /** Whether a value follows, by option. */
  options: ReadonlyMap<string, boolean>
}

const known = new Map<string, Help>()

async function helpOf(path: readonly string[]): Promise<Help> {
  const name = path.join(' ')
  const seen = known.get(name)
  if (seen !== undefined) return seen
  const { out } = await cli([...path, '--help'], {})
  const listed = (title: string, each: RegExp) => {
    const [, part = ''] = out.split(new RegExp(`^${title}:$`, 'm'))
    return [...(part.split('\n\n')[0] ?? '').matchAll(each)]
  }
  const options = listed('Options', /^ {2}(?:-\w, )?(--[a-z][a-z0-9-]*)( [<[])?/gm)
  const help = {
    commands: new Set(listed('Commands', /^ {2}([a-z-]+)/gm).map(([, one = '']) => one)),
    options: new Map(options.map(([, one = '', value]) => [one, value !== undefined])),
  }
  known.set(name, help)
  return help
}

/** The first word that the program would not understand; undefined where there is none. */
async function strangeIn(words: readonly string[]): Promise<string | undefined> {
  const path: string[] = []
  let help = await helpOf(path)
  let isValue = false
  for (const word of words) {
    if (isValue) isValue = false
    else if (word.startsWith('--')) {
      const takesValue = help.options.get(word.split('=')[0] ?? word)
      if (takesValue === undefined) return word
      isValue = takesValue && !word.includes('=')
    } else if (help.commands.has(word)) {
      path.push(word)
      help = await helpOf(path)
    } else if (word.includes(VALUE)) return undefined
    else if (help.commands.size > 0) return word
  }
  return undefined
}

/** Those lines that the program does not know, with what is strange in each. */
async function wrongOf(lines: readonly { path: string; words: string[] }[]): Promise<string[]> {
  const wrong: string[] = []
  for (const { path, words } of lines) {
    const strange = await strangeIn(words)
    if (strange !== undefined) wrong.push(`${path}: gristmill ${words.join(' ')}: ${strange}`)
  }
  return wrong
}

describe('command lines in the documents', () => {
  const shown = globSync(['*.md', 'docs/*.md', 'docs/decisions/*.md']).flatMap(commandsOf)

  it('are ones that the program knows, option by option', async () => {
    assert.ok(shown.length > 100, `${shown.length} command lines`)
    assert.deepEqual(await wrongOf(shown), [])
  })

  it('are ones that the program knows where the console shows them', async () => {
    const offered = globSync('console/src/**/*.{ts,tsx}').flatMap(commandsOfConsole)
    assert.ok(offered.length > 50, `${offered.length} command lines`)
    assert.deepEqual(await wrongOf(offered), [])
  })

  it('would be found out if they were not', async () => {
    assert.equal(await strangeIn(['ledger', 'verify', '--home', '/srv']), undefined)
    assert.equal(await strangeIn(['usage', '--by', 'tenant', '--cvs']), '--cvs')
    assert.equal(await strangeIn(['user', 'rule', 'show']), 'rule')
  })
})
