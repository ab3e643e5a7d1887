/** Prices in a file: YAML, of which JSON is a part, with the fields of the API. */
import { parse, stringify } from 'yaml'
import { GristmillError } from '../base/index.ts'
import type { ListPriceListView, PriceBookView, PriceView } from '../http/index.ts'
import { readNamedFile } from './named-file.ts'

/**
 * The prices of a file; whether each is right is for the server to say.
 * @param currency what the server counts in
 * @throws GristmillError `invalid_value`
 */
export function readPriceFile(file: string, currency: string): unknown[] {
  const { prices, currency: named } = readFile(file)
  if (named !== currency) {
    const reason = `its currency must be named, and be that of the server, ${currency}`
    throw new GristmillError('invalid_value', { param: file, reason })
  }
  return prices.map((price) => ({
    ...price,
    ...(price.ends !== undefined && { ends: price.ends === 'true' }),
  }))
}

/**
 * The same for list prices, each of which names its currency.
 * @throws GristmillError `invalid_value`
 */
export const readListPriceFile = (file: string): unknown[] => readFile(file).prices

function readFile(file: string): { currency?: unknown; prices: Record<string, unknown>[] } {
  const wrong = (reason: string, cause?: unknown) =>
    new GristmillError('invalid_value', { param: file, reason }, { cause })
  const text = readNamedFile(file)
  let value: { currency?: unknown; prices?: unknown } | null
  try {
    // As they are written: 0.10 must not become a number on the way.
    value = parse(text, { schema: 'failsafe' })
  } catch (cause) {
    throw wrong((cause as Error).message.split('\n')[0] ?? '', cause)
  }
  if (!Array.isArray(value?.prices)) throw wrong('a list "prices" is needed')
  return { currency: value.currency, prices: value.prices }
}

/** What holds, and what is to come; without what is as usual. */
export function pricesAsYaml({ currency, prices }: PriceBookView): string {
  const lasting = prices.filter(
    ({ state, rates }) => state === 'coming' || (state === 'holds' && rates !== null),
  )
  return stringify({ currency, prices: lasting.map(written) }, yamlOptions)
}

/** List prices, without what is not known of them. */
export function listPricesAsYaml({ prices }: ListPriceListView): string {
  const known = ([name, value]: [string, unknown]) => value !== null && !computed.has(name)
  const rows = prices.map((price) => Object.fromEntries(Object.entries(price).filter(known)))
  return stringify({ prices: rows }, yamlOptions)
}

const computed: ReadonlySet<string> = new Set(['ageDays', 'isOutdated'])

const yamlOptions = {
  lineWidth: 100,
  defaultStringType: 'PLAIN',
  defaultKeyType: 'PLAIN',
} as const

function written({ model, serviceClass, plan, effectiveAt, state, rates }: PriceView) {
  const scope = {
    model,
    ...(serviceClass !== null && { serviceClass }),
    ...(plan !== null && { plan }),
    ...(state === 'coming' && { effectiveAt }),
  }
  if (rates === null) return { ...scope, ends: true }
  const { input, output } = rates
  const usual: Record<string, string> = {
    cachedInput: input,
    cacheWrite: input,
    reasoning: output,
    embedding: input,
    request: '0',
    engineSecond: '0',
    hitShare: '0',
  }
  const amounts = Object.entries(rates).filter(([name, amount]) => usual[name] !== amount)
  return { ...scope, ...Object.fromEntries(amounts) }
}
