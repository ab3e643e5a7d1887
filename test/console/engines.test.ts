/** The page of engines: why an engine is as it is, what it advises, what was measured of it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

describe('the page of engines', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture({ isLarge: true })
    page = (await openPage(browser, { width: 1440 })).page
    page.setDefaultTimeout(10_000)
    await page.goto(`${fixture.url}/engines`)
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

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

  test('says when it was calibrated, and calibrates it anew', async () => {
    const head = card(0).getByText(/26\sh ago, with smollm2-135m/)
    await head.waitFor()
    await card(0).getByRole('button', { name: 'Calibrate anew' }).click()
    await card(0)
      .getByRole('button', { name: /^Calibrating, \d+/ })
      .waitFor()
    await card(0).getByText('runs behind all other work').waitFor()
    await card(0).getByRole('button', { name: 'Calibrate anew' }).waitFor()
    await head.waitFor({ state: 'detached' })
  })
})
