/** Routes in the console: the picture's bands, the places of problems, editing and going back. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Browser, Page } from 'playwright-core'
import { type Fixture, startFixture } from '../../console/fixture/server.ts'
import { layoutFlow, OTHERS } from '../../console/src/parts/flow-layout.ts'
import { lineAt, placeOfPath, placesIn } from '../../console/src/routes/json-places.ts'
import { launch, openPage, withoutBrowser } from './browser.ts'
import { buildConsole } from './build.ts'

const COLUMNS = 4
const named = (prefix: string, max: number) =>
  fc.integer({ min: 1, max }).map((id) => `${prefix}_${id}`)
const flows = fc.array(
  fc
    .record({
      ids: fc.tuple(named('ten', 14), named('small', 3), named('eng', 2), named('end', 9)),
      amount: fc.integer({ min: 1, max: 500 }),
    })
    .map(({ ids, amount }) => ({ ids, amount, owner: ids[0], marked: 0 })),
  { minLength: 1, maxLength: 40 },
)

describe('the picture of what goes where', () => {
  test('loses and doubles nothing, and fills every node on both sides', () => {
    fc.assert(
      fc.property(flows, (given) => {
        const sum = (rows: readonly { amount: number }[]) =>
          rows.reduce((all, { amount }) => all + amount, 0)
        const { nodes, bands } = layoutFlow(given, COLUMNS)
        assert.equal(bands.length, COLUMNS - 1)
        for (const side of bands) assert.equal(sum(side), sum(given))
        for (const { id, column, amount, top, height } of nodes) {
          const own = (bands[column] ?? []).filter(({ from }) => from === id)
          const ends = (bands[column - 1] ?? []).filter(({ to }) => to === id)
          for (const met of [own, ends].filter(({ length }) => length > 0)) {
            assert.equal(sum(met), amount)
          }
          const last = Math.max(...own.map(({ fromTop, fromHeight }) => fromTop + fromHeight))
          if (own.length > 0) assert.ok(Math.abs(last - top - height) < 0.001, 'is filled')
        }
      }),
    )
  })

  test('puts the smallest of many together, last', () => {
    const many = Array.from({ length: 12 }, (_, at) => {
      return { ids: [`ten_${at}`, 'small'], owner: `ten_${at}`, amount: 100 - at, marked: 0 }
    })
    const tenants = layoutFlow(many, 2).nodes.filter(({ column }) => column === 0)
    assert.deepEqual([tenants.length, tenants.at(-1)?.id, tenants.at(-1)?.count], [8, OTHERS, 5])
  })
})

test('the path of a problem leads to its line', () => {
  const text = '{\n  "routes": [\n    { "name": "a\\"}" },\n    {\n      "x": [1, 2] }\n  ]\n}'
  const places = placesIn(text)
  const line = (path: string) => lineAt(text, placeOfPath(places, path))
  assert.deepEqual(
    ['routes', 'routes.0.name', 'routes.1', 'routes.1.x.1', 'routes.1.missing.3'].map(line),
    [2, 3, 4, 5, 4],
  )
  assert.equal(text.slice(places.get('routes.1.x.1')).startsWith('2]'), true)
})

describe('the pages of routes', { skip: withoutBrowser }, () => {
  let browser: Browser
  let fixture: Fixture
  let page: Page

  before(async () => {
    await buildConsole()
    browser = await launch()
    fixture = await startFixture()
    ;({ page } = await openPage(browser, { width: 1440 }))
  })
  after(async () => {
    await browser.close()
    await fixture.close()
  })

  const heading = (name: RegExp) => page.getByRole('heading', { level: 1, name }).waitFor()

  test('a change is said by path and for whom before it is saved', async () => {
    await page.goto(`${fixture.url}/routes`)
    await page.getByRole('region', { name: 'Asked for' }).getByText('gpt-4o-mini').waitFor()
    await page.getByRole('link', { name: 'Edit careful' }).click()
    await heading(/Nothing has been changed yet/)
    const area = page.getByRole('textbox', { name: 'Routes' })
    const text = await area.inputValue()
    await area.fill(text.slice(0, -4))
    await heading(/This is no JSON yet/)
    await area.fill(text.replace('"Legal"', '5'))
    await page.getByText('routes.1.targets.0.when.tenants.0').waitFor()
    await page.getByRole('button', { name: /^line \d+$/ }).click()
    const at = await page.evaluate<number>('document.activeElement.selectionStart')
    assert.match(text.slice(at), /^"Legal"/)
    const save = page.getByRole('button', { name: 'Save as version 4' })
    assert.equal(await save.isDisabled(), true)

    await area.fill(text.replace('"Legal"', '"Labels"'))
    const changes = page.getByRole('region', { name: 'What would change' }).getByRole('row')
    await changes.filter({ hasText: /careful.*Labels/ }).waitFor()
    await changes.filter({ hasText: /careful.*Legal/ }).waitFor()
    await page.getByLabel('Note').fill('Labels instead')
    await save.click()
    await heading(/3 routes stand before/)
    const versions = page.getByRole('region', { name: 'Versions' }).getByRole('row')
    await versions.filter({ hasText: /4, holds.*Labels instead/ }).waitFor()
  })

  test('going back says what it changes, and makes a new version', async () => {
    const newest = fixture.state.records.routes.at(-1)
    newest?.guards.push({ name: 'no-pii', kind: 'pii', when: 'before' })
    await page.reload()
    await page.getByRole('button', { name: 'Go back to version 3' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('gristmill route rollback --to 3').waitFor()
    await dialog.getByRole('cell', { name: 'careful' }).first().waitFor()
    await dialog.getByText('Guards: no-pii goes.').waitFor()
    await dialog.getByRole('button', { name: 'Go back to version 3' }).click()
    await page
      .getByRole('row')
      .filter({ hasText: /5, holds.*version 3 again/ })
      .waitFor()
  })

  test('guards that a text takes away or changes are told before it is saved', async () => {
    const newest = fixture.state.records.routes.at(-1)
    newest?.guards.push(
      { name: 'no-pii', kind: 'pii', when: 'before' },
      { name: 'no-keys', kind: 'pattern', when: 'after', patterns: ['sk-'] },
    )
    await page.goto(`${fixture.url}/routes/edit`)
    const area = page.getByRole('textbox', { name: 'Routes' })
    const { guards, ...rest } = JSON.parse(await area.inputValue())
    await page.getByText('Guards stay as they are.').waitFor()
    await area.fill(JSON.stringify(rest))
    await page.getByText('Guards: no-pii and no-keys go.').waitFor()
    const [, keys] = guards
    await area.fill(JSON.stringify({ ...rest, guards: [{ ...keys, when: 'before' }, 5] }))
    await area.fill(JSON.stringify({ ...rest, guards: [{ ...keys, when: 'before' }] }))
    await page.getByText('Guards: no-pii goes; no-keys changes.').waitFor()
    newest?.guards.splice(0)
    await page.goto(`${fixture.url}/routes`)
  })

  test('whom a target takes is told for one request', async () => {
    const part = page.getByRole('region', { name: 'Where would it go?' })
    await part.getByLabel('Asks for').selectOption('careful')
    await part.getByLabel('Who asks').selectOption('Legal')
    await part.getByText('gristmill route explain careful --as Legal').waitFor()
    await part.getByText('no engine serves it now').first().waitFor()
    await part.getByLabel('Who asks').selectOption('Support')
    await part.getByText('it is not for the tenant Support').waitFor()
  })
})
