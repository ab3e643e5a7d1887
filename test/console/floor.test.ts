/** The mill floor while things happen: it moves, it loses its source, it comes back, demos run. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { eventually } from '../../src/base/test-eventually.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

describe('the mill floor', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture()
    page = (await openPage(browser, { width: 1440 })).page
    await page.goto(fixture.url)
    await page.getByText('Live', { exact: true }).waitFor()
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  test('slots fill while requests run', async () => {
    const read = () => page.getByLabel('Stones').locator('li').allTextContents()
    const first = await read()
    assert.ok(first.length >= 9, 'every slot has its place')
    await eventually('they change', async () => !isDeepStrictEqual(await read(), first))
  })

  test('every figure carries its definition and its basis', async () => {
    const definition = await page
      .getByText(/^Utilisation, last/)
      .locator('..')
      .getAttribute('title')
    assert.match(definition ?? '', /goodput ÷ \(calibrated capacity × seconds/)
    await page.getByText('goodput ÷').first().waitFor()
  })

  test('who waits can be opened to single requests, and saved as CSV', async () => {
    const table = page.getByLabel('Who waits, and why')
    const opener = table.getByRole('button', { name: /^\d+$/ }).first()
    await opener.click()
    await table.getByText(/^req_/).first().waitFor()
    const saving = page.waitForEvent('download')
    await table.getByRole('button', { name: 'Export CSV' }).click()
    const csv = await readFile(await (await saving).path(), 'utf8')
    assert.match(csv, /^Request,Tenant,Class,Model,/)
    assert.ok(csv.split('\r\n').length > 3)
  })

  test('a lost feed greys the floor, says since when, and comes back by itself', async () => {
    fixture.cutFeed()
    await page.getByText(/^Disconnected since \d\d:\d\d:\d\d/).waitFor()
    await page.getByRole('heading', { level: 1, name: /^As it was at/ }).waitFor()
    const stale = page.locator('.stale')
    await eventually('live parts are greyed', async () => (await stale.count()) > 3)
    fixture.mendFeed()
    await page.getByText('Live', { exact: true }).waitFor()
    await eventually('none is grey any more', async () => (await stale.count()) === 0)
  })

  test('the demo starts from here and ends with a table of both halves', async () => {
    await page.getByRole('button', { name: /^Run the demo/ }).click()
    const card = page.getByLabel('What a neighbour costs')
    await card.getByText(/first come, first served, \d+ s left/).waitFor()
    // As if it had begun so long ago that it has ended.
    fixture.state.demoStartMs = 0
    await card.getByText('two halves of 60 s, same load').waitFor()
    await card.getByText('≥ 31 s').first().waitFor()
    assert.equal(await card.getByRole('rowheader').count(), 3)
  })
})
