/** Contrast of text against what lies behind it, as the browser has drawn it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

const inPage = readFileSync(
  join(import.meta.dirname, '..', '..', 'console', 'fixture', 'low-contrasts.js'),
  'utf8',
)

/** @returns a line for each kind of text whose contrast is too low; empty where all is readable */
export function lowContrasts(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(inPage)
}
