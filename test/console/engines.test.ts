/** The page of engines: why an engine is as it is, what it advises, what was measured of it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'
import { lowContrasts } from './contrast.ts'

const takesPictures = process.env.GRISTMILL_TEST_PICTURES === '1'
const screenshots = join(import.meta.dirname, '..', '..', 'screenshots')

describe('the page of engines', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture({ isLarge: true })
    page = (await openPage(browser, { width: 1440 })).page
    await page.goto(`${fixture.url}/engines`)
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  /** Can be read in both themes; a picture of it stays where pictures are asked for. */
  async function picture(name: string): Promise<void> {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await page.waitForTimeout(300)
      const path = join(screenshots, `${name}-1440-${colorScheme}.png`)
      if (takesPictures) await page.screenshot({ path })
      assert.deepEqual(await lowContrasts(page), [], `${name}: contrast`)
    }
  }

  const card = (at: number) =>
    page.getByLabel(fixture.state.records.engines[at]?.name ?? '', { exact: true })

  test('says what an operator could improve, where there is something', async () => {
    await card(1)
      .getByText(/Could be better.*--scheduling-policy priority/)
      .waitFor()
    await card(0).getByText('Reserve', { exact: true }).waitFor()
    assert.equal(await card(0).getByText('Could be better').count(), 0)
  })

  test('gives cap and reserve their reasons', async () => {
    await card(0).getByText('Its own calibration found that more at once').waitFor()
    await card(0).getByText('First tokens came after up to 410 ms of 1000 promised.').waitFor()
  })

  test('says how it was at any time of the last day, and why, without a pointer', async () => {
    const strip = card(0).getByRole('slider', { name: 'Health of gpu-1, last 24 hours' })
    await strip.focus()
    await page.keyboard.press('Home')
    for (let step = 0; step < 32; step++) await page.keyboard.press('ArrowRight')
    await card(0)
      .getByText(
        /down for 11\smin, up for .*requests failed.* down: It does not answer: no answer within/,
      )
      .waitFor()
    await card(0)
      .getByText(/2 of 1,620 requests: 2 status\s503/)
      .waitFor()
    await picture('engine-history')
    await page.emulateMedia({ colorScheme: 'light' })
  })

  test('says what an engine is while its address is being typed', async () => {
    await page.getByRole('button', { name: 'Add an engine' }).click()
    const address = page.getByLabel('Address')
    await address.fill('http://nowhere.example')
    await page.getByText('nothing listens at its address').waitFor()
    await address.fill('http://10.0.0.7:8000')
    await page.getByText(/Found\. vLLM 0\.32\.1, .* priority scheduling off/).waitFor()
    await page.getByText('--scheduling-policy priority', { exact: false }).last().waitFor()
    await picture('add-engine')
    await page.getByLabel('Where it runs').selectOption('anthropic')
    await address.fill('')
    await page.getByText(/Found/).waitFor({ state: 'detached' })
    await page.getByLabel('Key', { exact: true }).fill('sk-one')
    await page.getByText(/Found\. Rented from Anthropic/).waitFor()
    await page.getByText(/--service anthropic --api-key-env KEY/).waitFor()
    await picture('add-service')
    await page.keyboard.press('Escape')
  })

  test('says what an hour costs, and sets it', async () => {
    await card(0).getByText('none is set, so what runs there').waitFor()
    await card(0).getByRole('button', { name: 'Set its cost' }).click()
    await page.getByLabel('Machine, USD for an hour').fill('2.1')
    await page.getByLabel('Energy, USD for an hour').fill('0.35')
    await page.getByText('engine cost set gpu-1 --machine 2.1 --energy 0.35').waitFor()
    await picture('engine-cost')
    await page.emulateMedia({ colorScheme: 'light' })
    await page.getByRole('button', { name: 'Save' }).click()
    await card(0)
      .getByText(/^2\.45\sUSD an hour since .*machine 2\.1, energy 0\.35/)
      .waitFor()
  })

  test('drains one once it is clear what that means, and offers it for none of its own', async () => {
    assert.equal(
      await card(0)
        .getByRole('button', { name: /Drain|Remove/ })
        .count(),
      0,
    )
    await card(1).getByRole('button', { name: 'Drain' }).click()
    const dialog = page.getByRole('dialog', { name: 'Drain gpu-2?' })
    await dialog.getByText('gristmill engine drain gpu-2').waitFor()
    assert.equal(fixture.state.records.engines[1]?.state, 'up')
    await dialog.getByRole('button', { name: 'Drain gpu-2', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    await card(1).getByText('draining', { exact: true }).first().waitFor()
    await card(1).getByRole('button', { name: 'Resume' }).click()
    await card(1).getByRole('button', { name: 'Drain' }).waitFor()
    assert.equal(fixture.state.records.engines[1]?.state, 'up')
  })

  test('begins with what does not work', async () => {
    const { engines } = fixture.state.records
    const heading = (name: RegExp) => page.getByRole('heading', { level: 1, name }).waitFor()
    Object.assign(engines[2] ?? {}, { state: 'down' })
    await heading(/^gpu-3 is down; \d+ of \d+ slots are busy on the rest\.$/)
    for (const engine of engines) engine.state = 'down'
    await heading(/^No engine is up, so nothing new is answered\.$/)
    for (const engine of engines) engine.state = 'up'
    await heading(/^4 of 4 engines are up/)
  })

  test('says when it was calibrated, and calibrates it anew', async () => {
    const head = card(0).getByText(/26\sh ago, with smollm2-135m/)
    await head.waitFor()
    fixture.state.calibrationMs = 3_600_000
    await card(0).getByRole('button', { name: 'Calibrate anew' }).click()
    await card(0)
      .getByRole('button', { name: /^Calibrating, \d+/ })
      .waitFor()
    await card(0).getByText('runs behind all other work').waitFor()
    fixture.state.calibrationMs = 0
    await card(0).getByRole('button', { name: 'Calibrate anew' }).waitFor()
    await head.waitFor({ state: 'detached' })
  })
})
