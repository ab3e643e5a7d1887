import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

/** The tools of `npm run check`, one by one, so that a failure names the one. */
const tools: { name: string; words: string[]; needs?: string }[] = [
  { name: 'biome', words: ['check', '.'] },
  { name: 'tsc', words: ['-p', '.', '--checkers', '1'] },
  { name: 'tsc', words: ['-p', 'console'], needs: 'console/tsconfig.json' },
  { name: 'oxlint', words: ['--type-aware', '--deny-warnings'] },
]

describe('the whole source', () => {
  for (const { name, words, needs } of tools) {
    if (needs !== undefined && !existsSync(needs)) continue
    it(`passes ${name} ${words.join(' ')}`, async () => {
      const { failed, output } = await run(name, words)
      assert.ok(!failed, output)
    })
  }
})

function run(name: string, words: string[]): Promise<{ failed: boolean; output: string }> {
  const tool = join('node_modules', '.bin', name)
  return new Promise((resolve) => {
    execFile(tool, words, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: (stdout + stderr).slice(-8000) })
    })
  })
}
