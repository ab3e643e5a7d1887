/** Items of kept responses: what a request gave, and how what it refers to is put into it. Pure. */
import { z } from 'zod'
import { part } from '../body-part.ts'

type Item = Record<string, unknown>

const list = z.array(z.looseObject({}))
const OWN_ITEM = /^[a-z]+_(\w+)_i?\d+$/

/**
 * The items that a request gave, each with an identifier.
 * @param responseId of the response it led to
 * @throws GristmillError `invalid_value`
 */
export function itemsGiven(input: unknown, responseId: string): Item[] {
  const of = responseId.replace(/^resp_/, '')
  return itemsOf(input).map((item, i) => ({ ...item, id: item.id ?? `msg_${of}_i${i}` }))
}

function itemsOf(input: unknown): Item[] {
  if (typeof input !== 'string') return part(list, input, 'input')
  return [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: input }] }]
}

/**
 * The responses that items are referred to in.
 * @param history what was said before, which refers to items as well
 */
export function responsesReferred(history: readonly Item[], input: unknown): string[] {
  const ids = new Set<string>()
  for (const id of references(Array.isArray(input) ? [...history, ...input] : history)) {
    const [, of] = OWN_ITEM.exec(id) ?? []
    if (of !== undefined) ids.add(`resp_${of}`)
  }
  return [...ids]
}

function references(items: readonly ({ type?: unknown; id?: unknown } | null)[]): string[] {
  return items.flatMap((item) =>
    item?.type === 'item_reference' && typeof item.id === 'string' ? [item.id] : [],
  )
}

/**
 * What is said to the engine: what was said before, and the input with the items it refers to.
 * @param found items that may be referred to; those that were said before are not said twice
 * @throws GristmillError `invalid_value`
 */
export function wholeInput(history: readonly Item[], input: unknown, found: readonly Item[]) {
  const isReference = ({ type }: Item) => type === 'item_reference'
  const said = new Set(history.filter((item) => !isReference(item)).map(({ id }) => id))
  const byId = new Map(found.map((item) => [item.id, item]))
  return [...history, ...itemsOf(input)].flatMap((item) => {
    if (!isReference(item)) return [item]
    return said.has(item.id) ? [] : [byId.get(item.id) ?? item]
  })
}
