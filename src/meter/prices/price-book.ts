/**
 * The price book: all versions in the database, and in memory, where every gateway has a new price
 * before it takes effect. No request reads the database for it.
 */
import { type Clock, GristmillError, type Logger, Reading } from '../../base/index.ts'
import type { Database } from '../../store/index.ts'
import type { Actor, AuditLog } from '../../tenancy/index.ts'
import { type PriceInput, type PricesInput, ratesOf } from './price-input.ts'
import { insertPrices, readPrices } from './price-rows.ts'
import { PriceTable } from './price-table.ts'
import type { Price, PriceInForce, PriceSubject } from './price-types.ts'

export interface PriceBookOptions {
  database: Database
  audit: AuditLog
  clock: Clock
  logger: Logger
  /** What all amounts are in. */
  currency: string
}

interface Found extends PriceSubject {
  price: PriceInForce | null
}

/** So that it is known everywhere before it holds; longer where writing it takes half of that. */
const LEAD_MS = 1000
const LEAD_GROWS_BY = 4

export class PriceBook {
  readonly #options: PriceBookOptions
  readonly #reading: Reading
  #table = new PriceTable([])
  /** What was found last, for the time in which nothing changes. */
  readonly #found = new Map<string, PriceInForce | null>()
  /** The last of them: most requests ask for what the one before them did. */
  #last: Found | undefined
  #foundFromMs = 0
  #foundUntilMs = 0
  #unlisten: (() => void) | undefined

  constructor(options: PriceBookOptions) {
    this.#options = options
    this.#reading = new Reading({
      clock: options.clock,
      read: () => this.#read(),
      onFailing: (error) =>
        options.logger.warn({ err: error }, 'the prices could not be read; the ones before hold'),
    })
  }

  /**
   * Reads all prices and listens for new ones.
   * @throws GristmillError `invalid_config` where they are in another currency
   */
  async open(): Promise<void> {
    const look = () => this.#reading.soon()
    this.#unlisten = await this.#options.database.listen('prices', look, (state) => {
      if (state === 'up') look()
    })
    await this.#reading.now()
  }

  close(): void {
    this.#unlisten?.()
    void this.#reading.stop()
  }

  get currency(): string {
    return this.#options.currency
  }

  /** All there have been and will be, in the order in which they take effect. */
  get prices(): readonly Price[] {
    return this.#table.prices
  }

  /** What holds for a request; null where nothing does. @param atMs when it arrived */
  find(subject: PriceSubject, atMs: number): PriceInForce | null {
    if (this.#table.isEmpty) return null
    if (atMs < this.#foundFromMs) return this.#table.find(subject, atMs)
    if (atMs >= this.#foundUntilMs) {
      this.#found.clear()
      this.#last = undefined
      this.#foundFromMs = atMs
      this.#foundUntilMs = this.#table.nextChangeMs(atMs)
    }
    const last = this.#last
    if (last !== undefined && isFor(last, subject)) return last.price
    const price = this.#lookUp(subject, atMs)
    this.#last = { ...subject, price }
    return price
  }

  #lookUp(subject: PriceSubject, atMs: number): PriceInForce | null {
    const { plan, model, route, serviceClass } = subject
    const key = `${plan ?? ''}\n${serviceClass}\n${model}\n${route ?? ''}`
    const known = this.#found.get(key)
    if (known !== undefined) return known
    const price = this.#table.find(subject, atMs)
    this.#found.set(key, price)
    return price
  }

  /**
   * Adds prices; those that hold already, at that moment and after it, are left out.
   * @returns those that were added
   * @throws GristmillError `invalid_value` where one would begin in the past
   */
  async add({ prices, note }: PricesInput, actor: Actor): Promise<Price[]> {
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const wanted = prices.map((given) => toAdd(given, note, actor, nowMs))
    let added: Price[] | undefined
    for (let leadMs = LEAD_MS; added === undefined; leadMs *= LEAD_GROWS_BY) {
      added = await this.#addWithin(leadMs, wanted, actor)
    }
    await this.#reading.now()
    return added
  }

  /** @returns undefined where that took too long, and nothing was added */
  async #addWithin(
    leadMs: number,
    wanted: readonly Omit<Price, 'version'>[],
    actor: Actor,
  ): Promise<Price[] | undefined> {
    const { database, clock, audit, currency } = this.#options
    const beganMs = clock.monotonicMs()
    const leastMs = clock.nowMs() + leadMs
    const tooLate = new Error('it may hold before it is known')
    try {
      return await database.transaction(async (sql) => {
        const table = new PriceTable((await readPrices(sql)).prices)
        const news = wanted
          .map((price) => ({ ...price, effectiveAtMs: Math.max(price.effectiveAtMs, leastMs) }))
          .filter((price) => !holdsAlready(table, price))
        if (news.length === 0) return []
        const rows = await insertPrices(sql, news, currency)
        for (const { version, model, serviceClass, plan, effectiveAtMs, note } of rows) {
          const effectiveAt = new Date(effectiveAtMs).toISOString()
          const detail = { model, serviceClass, plan, effectiveAt, note }
          const entry = { action: 'price.set', subject: `price:${version}`, tenantId: null, detail }
          await audit.record(actor, entry, sql)
        }
        if (clock.monotonicMs() - beganMs > leadMs / 2) throw tooLate
        return rows
      })
    } catch (error) {
      if (error === tooLate) return undefined
      throw error
    }
  }

  async #read(): Promise<void> {
    const { prices, currencies } = await readPrices(this.#options.database.sql)
    const { currency } = this.#options
    const other = currencies.find((one) => one !== currency)
    if (other !== undefined) {
      const reason = `GRISTMILL_CURRENCY is ${currency}, but the price book is in ${other}`
      throw new GristmillError('invalid_config', { reason })
    }
    this.#table = new PriceTable(prices)
    this.#foundUntilMs = 0
  }
}

function isFor(found: PriceSubject, { plan, model, route, serviceClass }: PriceSubject): boolean {
  return (
    found.model === model &&
    found.plan === plan &&
    found.serviceClass === serviceClass &&
    found.route === route
  )
}

function toAdd(
  given: PriceInput,
  note: string,
  actor: Actor,
  nowMs: number,
): Omit<Price, 'version'> {
  const { model, serviceClass, plan, effectiveAt } = given
  const fromMs = effectiveAt === undefined ? nowMs : Date.parse(effectiveAt)
  if (fromMs < nowMs) {
    const reason = 'a price cannot begin in the past; what was charged is corrected by new rows'
    throw new GristmillError('invalid_value', { param: 'effectiveAt', reason })
  }
  return {
    model,
    serviceClass,
    plan,
    effectiveAtMs: fromMs,
    rates: ratesOf(given),
    note,
    actor: actor.name,
    atMs: nowMs,
  }
}

function holdsAlready(table: PriceTable, price: Omit<Price, 'version'>): boolean {
  const before = table.last(price, price.effectiveAtMs)
  if (table.last(price, Number.POSITIVE_INFINITY) !== before) return false
  if (before === undefined) return price.rates === null
  return isSame(before.rates, price.rates)
}

function isSame(a: Price['rates'], b: Price['rates']): boolean {
  if (a === null || b === null) return a === b
  return (Object.keys(a) as (keyof typeof a)[]).every((name) => a[name] === b[name])
}
