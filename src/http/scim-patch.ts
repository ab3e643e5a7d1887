/**
 * Changes of SCIM resources (RFC 7644 §3.5.2) as plain functions on plain objects: what is told in
 * operations becomes the resource as it is to be. Nothing is stored here.
 */
import { z } from 'zod'
import { GristmillError } from '../base/index.ts'

export type Resource = Record<string, unknown>

const operation = z.object({
  // Entra ID begins them with a capital.
  op: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['add', 'replace', 'remove'])),
  path: z.string().min(1).max(500).optional(),
  value: z.unknown().optional(),
})

export const patchInput = z.object({ Operations: z.array(operation).min(1).max(1000) })
export type Operation = z.infer<typeof operation>

interface Path {
  attribute: string
  /** Which elements of a list are meant. */
  filter: Filter | null
  sub: string | null
}

export interface Filter {
  attribute: string
  value: string
}

/** `userName eq "anna@example.org"`; the only kind that directories send. */
const FILTER =
  /^\s*([\w.:]+(?:\[[^\]]+\])?(?:\.\w+)?)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false|\d+)\s*$/i
const PATH = /^([\w:.-]*?:)?(\w+)(?:\[(.+)\])?(?:\.(\w+))?$/

/** @throws GristmillError `invalid_value` of `filter` */
export function parseFilter(text: string): Filter {
  const [, attribute, value] = FILTER.exec(text) ?? []
  if (attribute === undefined || value === undefined) {
    const reason = 'only ATTRIBUTE eq "VALUE" is understood'
    throw new GristmillError('invalid_value', { param: 'filter', reason })
  }
  try {
    return { attribute, value: value.startsWith('"') ? String(JSON.parse(value)) : value }
  } catch (cause) {
    const reason = 'its value is no string of JSON'
    throw new GristmillError('invalid_value', { param: 'filter', reason }, { cause })
  }
}

/**
 * The resource after the operations, one after the other; the one that is given stays as it is.
 * @throws GristmillError `invalid_value` of `path` or `value`
 */
export function patched(resource: Resource, operations: readonly Operation[]): Resource {
  const changed = structuredClone(resource)
  for (const one of operations) apply(changed, one)
  return changed
}

function apply(resource: Resource, { op, path, value }: Operation): void {
  if (path !== undefined) {
    applyAt(resource, op, parsePath(path), value)
    return
  }
  if (op === 'remove' || !isObject(value)) {
    const reason = 'without a path it needs an object as its value'
    throw new GristmillError('invalid_value', { param: 'value', reason })
  }
  // Names may be paths themselves, such as "name.givenName".
  for (const [name, inner] of Object.entries(value)) {
    if (name !== 'id' && name !== 'schemas') applyAt(resource, op, parsePath(name), inner)
  }
}

function parsePath(text: string): Path {
  const [, , attribute, filter, sub] = PATH.exec(text.trim()) ?? []
  if (attribute === undefined) {
    throw new GristmillError('invalid_value', { param: 'path', reason: `${text} is no path` })
  }
  const parsed = filter === undefined ? null : parseFilter(filter)
  return { attribute, filter: parsed, sub: sub ?? null }
}

function applyAt(resource: Resource, op: Operation['op'], path: Path, value: unknown): void {
  const name = nameIn(resource, path.attribute)
  if (path.filter !== null) {
    applyToElements(resource, name, op, path, value)
    return
  }
  if (path.sub !== null) {
    const inner = isObject(resource[name]) ? resource[name] : {}
    resource[name] = inner
    setOrRemove(inner, nameIn(inner, path.sub), op, value)
    return
  }
  const present = resource[name]
  if (!Array.isArray(present) || op === 'replace') setOrRemove(resource, name, op, value)
  else if (op === 'add') resource[name] = united(present, value)
  // Entra ID names the elements to remove in the value.
  else resource[name] = value === undefined ? [] : without(present, value)
}

function applyToElements(
  resource: Resource,
  name: string,
  op: Operation['op'],
  { filter, sub }: Path,
  value: unknown,
): void {
  const list = Array.isArray(resource[name]) ? (resource[name] as unknown[]) : []
  resource[name] = list
  const fits = (element: unknown) =>
    filter !== null && isObject(element) && String(element[filter.attribute]) === filter.value
  if (op === 'remove' && sub === null) {
    resource[name] = list.filter((element) => !fits(element))
    return
  }
  if (!list.some(fits) && filter !== null) list.push({ [filter.attribute]: filter.value })
  for (const element of list.filter(fits) as Resource[]) {
    if (sub !== null) setOrRemove(element, sub, op, value)
    else if (isObject(value)) Object.assign(element, value)
  }
}

function setOrRemove(target: Resource, name: string, op: Operation['op'], value: unknown): void {
  if (op === 'remove') delete target[name]
  else if (op === 'add' && isObject(target[name]) && isObject(value)) {
    Object.assign(target[name], value)
  } else target[name] = value
}

const keyOf = (element: unknown) => (isObject(element) ? String(element.value) : String(element))
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value])

function united(present: unknown[], value: unknown): unknown[] {
  const known = new Set(present.map(keyOf))
  return [...present, ...listOf(value).filter((element) => !known.has(keyOf(element)))]
}

function without(present: unknown[], value: unknown): unknown[] {
  const gone = new Set(listOf(value).map(keyOf))
  return present.filter((element) => !gone.has(keyOf(element)))
}

/** Names of attributes are the same whatever their case (RFC 7643 §2.1). */
function nameIn(resource: Resource, name: string): string {
  const wanted = name.toLowerCase()
  return Object.keys(resource).find((known) => known.toLowerCase() === wanted) ?? name
}

const isObject = (value: unknown): value is Resource =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
