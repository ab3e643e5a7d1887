/** What pages say where the server answers nothing but errors. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

const message = 'The database cannot be reached.'

describe('a page whose server cannot answer', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture()
    ;({ page } = await openPage(browser, { width: 1440 }))
    await page.route(/\/api\/(?!session|live)/, (route) =>
      route.fulfill({ status: 503, json: { error: { message, code: 'database_unreachable' } } }),
    )
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  const rooms = 'batches plan engines cluster routes tenants keys people costs budgets statements'
  for (const room of `${rooms} prices usage requests audit retention`.split(' ')) {
    test(`${room} begins with that, and does not pretend to be looking`, async () => {
      await page.goto(`${fixture.url}/${room}`)
      const heading = page.getByRole('heading', { level: 1 })
      await heading.filter({ hasText: 'What stands here cannot be seen right now.' }).waitFor()
      await page.getByText(message).first().waitFor()
      assert.ok((await page.getByRole('button', { name: 'Try again' }).count()) > 0)
    })
  }
})
