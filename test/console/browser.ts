/** A headless Chromium for the console's tests, found where Debian and others put it. */
import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The browser's program, or undefined where there is none. */
export const chromiumPath = places.find((place) => existsSync(place))

/** Reason for a skipped group, with what would enable it; false where a browser is there. */
export const withoutBrowser: string | false =
  chromiumPath === undefined ? 'needs Chromium: apt-get install chromium' : false

export async function launch(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('No Chromium was found.')
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface View {
  width: number
  height?: number
  theme?: 'light' | 'dark'
}

/** A page of its own context; everything it complains about is collected. */
export async function openPage(
  browser: Browser,
  view: View,
): Promise<{ page: Page; complaints: string[] }> {
  const { width, height = width < 600 ? 844 : 900, theme = 'light' } = view
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: 'no-preference',
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  return { page, complaints }
}
