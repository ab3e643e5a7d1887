/** A page as PDF, printed by a browser of this machine: page breaks and fonts are its business. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { GristmillError } from '../base/index.ts'

const browsers = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'microsoft-edge',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
const PRINT_MS_MAX = 60_000

/**
 * Prints a page that needs nothing but itself.
 * @param file where the PDF goes; what is there is replaced
 * @throws GristmillError `no_browser` where there is none
 */
export async function printPdf(html: string, file: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-pdf-'))
  try {
    const page = join(folder, 'page.html')
    await writeFile(page, html, { mode: 0o600 })
    const flags = [
      '--headless',
      '--disable-gpu',
      // A browser that is open keeps its own.
      `--user-data-dir=${join(folder, 'profile')}`,
      '--no-first-run',
      '--no-pdf-header-footer',
      // For root it starts in no other way; the page is ours and runs no script.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      `--print-to-pdf=${resolve(file)}`,
      pathToFileURL(page).href,
    ]
    for (const browser of browsers) if (await hasRun(browser, flags)) return
    throw new GristmillError('no_browser')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @returns false where there is no such program */
async function hasRun(browser: string, flags: string[]): Promise<boolean> {
  try {
    await promisify(execFile)(browser, flags, { timeout: PRINT_MS_MAX })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
