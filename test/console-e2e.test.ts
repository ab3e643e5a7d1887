/**
 * The console in a browser on the real program: real PostgreSQL, the real engine with the toy
 * model. From the one-time link to signing out, each step by what a person sees and presses.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, afterEach, before, describe, test } from 'node:test'
import type { Browser, Locator, Page } from 'playwright-core'
import { eventually } from '../src/base/test-eventually.ts'
import { launch, openPage, withoutBrowser } from './console/browser.ts'
import { buildConsole } from './console/build.ts'
import { providerEnvironment, startProvider, type TestProvider } from './identity/provider.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

const EMAIL = 'ada@example.org'
const PASSWORDS = ['a first long password', 'another long password']

describe('the console on the real program', { skip: withoutBrowser }, () => {
  const callbacks: string[] = []
  let provider: TestProvider
  let server: TestServer
  let browser: Browser
  let page: Page
  let complaints: string[]

  before(async () => {
    await buildConsole()
    provider = await startProvider(callbacks)
    provider.accounts.set('ben', {
      email: 'ben@example.org',
      email_verified: true,
      name: 'Ben Baker',
      groups: ['millers'],
    })
    const env = providerEnvironment(provider)
    ;[server, browser] = await Promise.all([startServer({ env }), launch()])
    callbacks.push(`${server.url}/api/session/oidc/callback`)
    ;({ page, complaints } = await openPage(browser, { width: 1440 }))
  })
  after(async () => {
    await browser?.close()
    await server?.stop()
    await provider?.close()
    if (server) removeHome(server.home)
  })

  // What a person would have seen, for who reads of a failure elsewhere.
  afterEach(async (t) => {
    if (!('passed' in t) || t.passed) return
    const seen = await page.locator('body').textContent()
    t.diagnostic([page.url(), ...complaints, seen].join('\n'))
  })

  test('the one-time link makes an owner with a password, once', async () => {
    const link = server.line.adminLink ?? assert.fail('a first start prints a link')
    await page.goto(link)
    await page.getByLabel('Name', { exact: true }).fill('Ada Miller')
    await page.getByLabel('Email', { exact: true }).fill(EMAIL)
    await page.getByLabel('Password', { exact: true }).fill(PASSWORDS[0] ?? '')
    await page.getByRole('button', { name: 'Become the owner' }).click()
    await page.getByRole('heading', { level: 1, name: /^The pool/ }).waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    const { page: other } = await openPage(browser, { width: 1440 })
    await other.goto(link)
    await other.getByText('This link does not open anything.').waitFor()
    await other.context().close()
  })

  test('a tenant is created, with a project and a key that works', async () => {
    await goTo('Tenants')
    await page.getByRole('button', { name: 'New tenant' }).click()
    await field('Name').fill('Support')
    await dialog().getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByRole('link', { name: 'Support' }).first().click()
    await page.getByRole('heading', { level: 1, name: /^Support is due/ }).waitFor()

    await page.getByRole('button', { name: 'New project' }).click()
    await field('Name').fill('nightly')
    await dialog().getByRole('button', { name: 'Create', exact: true }).click()
    await row('nightly').getByRole('button', { name: 'Change' }).click()
    await field('Name').fill('hourly')
    await dialog().getByRole('button', { name: 'Save', exact: true }).click()
    await row('hourly').getByRole('button', { name: 'Archive' }).click()
    await dialog().getByText('gristmill project remove hourly --tenant Support').waitFor()
    await dialog().getByRole('button', { name: 'Archive hourly', exact: true }).click()
    await row('hourly').waitFor({ state: 'detached' })

    await page.getByRole('button', { name: 'New key' }).click()
    await field('What it is for').fill('ticket bot')
    await dialog().getByRole('button', { name: 'Create the key', exact: true }).click()
    const key = (await dialog().locator('code', { hasText: /^gm-/ }).textContent()) ?? ''
    await dialog().getByRole('button', { name: 'I have copied it', exact: true }).click()
    await row('ticket bot').waitFor()
    assert.equal(await asks(key), 200)
  })

  test('a key is changed, rotated with an overlap, and one of another gateway moves in', async () => {
    await row('ticket bot').getByRole('button', { name: 'Change' }).click()
    await field('Running at once').fill('4')
    await field('Default class').selectOption('flex')
    await dialog().getByLabel('Response cache').check()
    await dialog()
      .getByText(/gristmill key update key_\w+ --class flex --response-cache on --concurrency 4$/)
      .waitFor()
    await dialog().getByRole('button', { name: 'Save', exact: true }).click()
    await row('ticket bot').getByText('4 running').waitFor()
    await row('ticket bot').getByText('flex').waitFor()
    await row('ticket bot').getByText('response cache').waitFor()

    await row('ticket bot').getByRole('button', { name: 'Rotate' }).click()
    await dialog().getByRole('button', { name: 'Make a new secret', exact: true }).click()
    await dialog().getByRole('button', { name: 'I have copied it', exact: true }).click()
    await row('ticket bot')
      .getByText(/old secret until \d+ \w+/)
      .waitFor()

    await goTo('Keys')
    await page.getByRole('button', { name: 'Move one in' }).click()
    const sha256 = createHash('sha256').update('sk-from-elsewhere').digest('hex')
    await field('SHA-256 of the whole key').fill(sha256)
    await field('Tenant').selectOption('Support')
    await field('What it is for').fill('moved')
    await dialog().getByRole('button', { name: 'Let it in', exact: true }).click()
    await row('moved').waitFor()
    assert.equal(await asks('sk-from-elsewhere'), 200)
  })

  test('the playground streams an answer while the mill floor shows it', async () => {
    const floor = await page.context().newPage()
    await floor.goto(server.url)
    await floor.getByText('Live', { exact: true }).waitFor()
    const share = floor.getByLabel('Shares').getByText('Support')
    await goTo('Playground')
    await page.getByLabel('Tenant', { exact: true }).selectOption({ label: 'Support' })
    await page.getByLabel('Question', { exact: true }).fill('Tell me a long story about mills.')
    await page.getByLabel('Max tokens', { exact: true }).fill('200')
    await page.getByRole('button', { name: 'Send' }).click()
    const answer = page.getByRole('article').filter({ hasText: 'Tell me a long story' })
    await answer
      .getByText(/tokens/)
      .first()
      .waitFor()
    await share.first().waitFor()
    await floor.close()
  })

  test('usage has its tokens, the audit log who changed what', async () => {
    await goTo('Usage')
    const support = page.getByRole('row').filter({ hasText: 'Support' })
    await eventually('the answer is booked', async () => {
      await page.reload()
      await page.getByRole('heading', { level: 1 }).waitFor()
      return (await support.count()) > 0
    })
    await goTo('Audit')
    await page.getByRole('heading', { level: 1, name: /^The last change was/ }).waitFor()
    const changes = page.getByRole('row')
    await changes
      .filter({ hasText: /key.*import|import.*key/i })
      .first()
      .waitFor()
    await changes.filter({ hasText: EMAIL }).first().waitFor()
  })

  test('what the work would have cost elsewhere is worked out when somebody asks', async () => {
    await goTo('Costs')
    await page.getByRole('heading', { level: 1, name: /cost/ }).waitFor()
    // What is on its way moves what is below it when it comes, also from under a pointer.
    await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'detached' })
    const elsewhere = page.getByRole('region', { name: 'What it would have cost elsewhere' })
    await elsewhere.getByRole('button', { name: 'Compare', exact: true }).click()
    // Until the beginning of this minute, in which the only request may have been.
    const basis = (await elsewhere.getByText(/^\d+ requests? with/).textContent()) ?? ''
    assert.match(basis, /^[01] requests? with \d+ tokens in, .* cost .* here/)
    assert.ok((await elsewhere.getByRole('row').count()) > 3, 'services, each with its interval')
    assert.deepEqual(complaints, [])
  })

  test('credit is booked once, however often the form is sent', async () => {
    await goTo('Budgets')
    await page.getByRole('button', { name: 'New row' }).click()
    await field('Tenant').selectOption('Support')
    await field('Amount, USD').fill('250')
    await field('Note').fill('invoice 7')
    // The first answer is lost on its way.
    let sent = 0
    await page.route('**/api/credits', async (route) => {
      if (route.request().method() !== 'POST') return route.continue()
      sent += 1
      if (sent > 1) return route.continue()
      await route.fetch()
      await route.abort()
    })
    await dialog().getByRole('button', { name: 'Add', exact: true }).click()
    await dialog().getByText('The server does not answer.').waitFor()
    await dialog().getByRole('button', { name: 'Add', exact: true }).click()
    await dialog().waitFor({ state: 'detached' })
    await page.unroute('**/api/credits')
    await row('invoice 7').waitFor()
    assert.deepEqual([sent, await row('invoice 7').count()], [2, 1])
    complaints.length = 0
  })

  test('a route is added once it is said whom it is for, and explained', async () => {
    await goTo('Routes')
    await page.getByRole('heading', { level: 1, name: /^No routes yet/ }).waitFor()
    await page.getByRole('region', { name: 'Tenant' }).getByText('Support').waitFor()
    await page.getByRole('link', { name: 'Add a route' }).click()
    const area = page.getByRole('textbox', { name: 'Routes' })
    const route = { name: 'story', targets: [{ model: 'toy', when: { tenants: ['Support'] } }] }
    await area.fill(JSON.stringify({ routes: [{ ...route, alias: 1 }] }))
    await page.getByText('routes.0.alias').waitFor()
    await area.fill(JSON.stringify({ routes: [route] }))
    const changes = page.getByRole('region', { name: 'What would change' }).getByRole('row')
    await changes.filter({ hasText: /story\s*Support\s*not answered\s*toy/ }).waitFor()
    await page.getByRole('button', { name: 'Save as version 1' }).click()
    await page.getByRole('heading', { level: 1, name: /^1 route stands before 1 model/ }).waitFor()
    const explained = page.getByRole('region', { name: 'Where would it go?' })
    await explained.getByLabel('Who asks').selectOption({ label: 'Support' })
    await explained.getByText('it is asked first').waitFor()
  })

  test('a plan is worked out beside the gateway, and a question about it answered', async () => {
    await goTo('Plan')
    await page.getByRole('heading', { level: 1, name: /^How many engines/ }).waitFor()
    await page.getByLabel('A trace file').check()
    const rows = Array.from({ length: 60 }, (_, i) => `${i},team-${i % 3},standard,60,20,`)
    const trace = ['time_s,tenant,class,input,output,prefix', ...rows].join('\n')
    await page.getByLabel('Trace', { exact: true }).fill(trace)
    await page.getByLabel('Engines like').selectOption('embedded-135m')
    await page.getByRole('button', { name: 'Work it out' }).click()
    const verdict = /^One pool needs 1 engine where tenants alone need 3/
    await page.getByRole('heading', { level: 1, name: verdict }).waitFor({ timeout: 60_000 })
    await page.getByRole('button', { name: 'Double the load' }).click()
    await page
      .getByLabel('What if')
      .getByText(/120 requests|60 requests/)
      .waitFor({ timeout: 60_000 })
    assert.deepEqual(complaints, [])
  })

  test('an engine says what was measured of it', async () => {
    await goTo('Engines')
    await page.getByRole('heading', { level: 3, name: 'Calibration' }).waitFor()
    await page.getByText('Reserve', { exact: true }).waitFor()
  })

  test('the password is changed, and counts from then on', async () => {
    // A page that asks for nothing by itself, which would be refused while signing out.
    await goTo('Audit')
    await page.getByRole('button', { name: 'Change your password' }).click()
    await dialog()
      .getByLabel('Present password')
      .fill(PASSWORDS[0] ?? '')
    await dialog()
      .getByLabel('New password')
      .fill(PASSWORDS[1] ?? '')
    await dialog().getByRole('button', { name: 'Change it', exact: true }).click()
    await dialog().getByRole('button', { name: 'Done', exact: true }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { level: 1, name: /Sign in/ }).waitFor()
    assert.deepEqual(complaints, [])
    await signIn(PASSWORDS[0] ?? '')
    await page.getByText(/password is not right/).waitFor()
    await signIn(PASSWORDS[1] ?? '')
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { level: 1, name: /Sign in/ }).waitFor()
  })

  test('somebody of the company is refused with the reason, and let in by a rule', async () => {
    const opened = await openPage(browser, { width: 1440 })
    const ben = opened.page
    await ben.goto(`${server.url}/usage`)
    await ben.getByRole('button', { name: 'Sign in with The company' }).click()
    await ben.getByLabel('Account').fill('ben')
    await ben.getByRole('button', { name: 'Go on' }).click()
    await ben.getByText('none of its groups may use this pool').waitFor()

    await signIn(PASSWORDS[1] ?? '')
    await goTo('People')
    await row('Ben Baker').getByText('no rule fits').waitFor()
    await page.getByRole('button', { name: 'Add a rule' }).click()
    await field('Group').fill('millers')
    await field('Role').selectOption('viewer')
    await dialog().getByRole('button', { name: 'Add the rule', exact: true }).click()
    await row('millers').getByText('1 person').waitFor()
    await row('Ben Baker').getByText('The company').waitFor()

    await ben.goto(`${server.url}/usage`)
    await ben.getByRole('button', { name: 'Sign in with The company' }).click()
    await ben.getByRole('heading', { level: 1, name: /used|Nothing/ }).waitFor()
    assert.equal(new URL(ben.url()).pathname, '/usage')
    assert.equal(await ben.getByRole('button', { name: 'Change your password' }).count(), 0)

    await row('millers').getByRole('button', { name: 'Remove' }).click()
    await row('Ben Baker').getByText('no rule fits').waitFor()
    await ben.reload()
    await ben.getByRole('button', { name: 'Sign in with The company' }).waitFor()
    assert.deepEqual(opened.complaints, [])
  })

  const dialog = (): Locator => page.locator('dialog[open]')
  const field = (label: string): Locator => dialog().getByLabel(label, { exact: true })
  const row = (text: string): Locator => page.getByRole('row').filter({ hasText: text })

  async function goTo(room: string): Promise<void> {
    const link = page.getByRole('navigation').getByRole('link', { name: room, exact: true })
    await link.click()
    await page.getByRole('heading', { level: 1 }).waitFor()
  }

  async function signIn(password: string): Promise<void> {
    if (!(await page.getByLabel('Email', { exact: true }).isVisible())) {
      await page.getByText('With a password instead').click()
    }
    await page.getByLabel('Email', { exact: true }).fill(EMAIL)
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  }

  async function asks(key: string): Promise<number> {
    const headers = { authorization: `Bearer ${key}` }
    return (await fetch(`${server.url}/v1/models`, { headers })).status
  }
})
