/** What an operator says of a new engine, checked. */
import { type Clock, GristmillError, newId, type Random } from '../base/index.ts'
import type { EngineRow } from './engine-rows.ts'
import { presets, type ServiceName } from './services/presets.ts'

const NAME_LENGTH_MAX = 100

export interface EngineInput {
  /** May be absent for services that have one address for everybody. */
  url?: string | undefined
  name?: string | undefined
  /** Whom it is rented from; absent for own machines. */
  service?: ServiceName | undefined
  /** `api-version` of Azure's addresses by deployment. */
  apiVersion?: string | undefined
  /** The first of its keys; services may get more. */
  apiKey?: string | undefined
  /** Requests to keep in flight there; by default what the engine says. */
  cap?: number | undefined
  /** True where its name has several addresses, each of which is an engine of its own. */
  replicas?: boolean | undefined
  /** Only these of its models; of a rented service they must be named, because they cost money. */
  models?: string[] | undefined
}

/** A row for a new engine. @throws GristmillError `invalid_value` */
export function rowOf(
  input: EngineInput,
  { clock, random }: { clock: Clock; random: Random },
): EngineRow {
  return {
    ...checkedInput(input),
    id: newId('eng', clock, random),
    cap: input.cap ?? null,
    models: input.models ?? null,
    draining: false,
    replicas: input.replicas ?? false,
    profile: null,
    createdAt: new Date(clock.nowMs()),
  }
}

/** What makes an engine out of an input. @throws GristmillError `invalid_value` */
function checkedInput(input: EngineInput) {
  const { service = null, apiVersion = null } = input
  const preset = service === null ? null : presets[service]
  const url = checkedUrl(input.url ?? preset?.url ?? '')
  const name = (input.name ?? preset?.title ?? new URL(url).host).trim()
  if (name === '' || name.length > NAME_LENGTH_MAX)
    throw invalid('name', 'it must be 1 to 100 long')
  if (apiVersion !== null && service !== 'azure') {
    throw invalid('apiVersion', 'only Azure has versions in its addresses')
  }
  if (input.replicas && service !== null) {
    throw invalid('replicas', 'the addresses of a service are its own affair')
  }
  return { url, name, service, apiVersion }
}

/** @throws GristmillError `invalid_value` where a service is to be rented as a whole */
export function checkModels({ service, models = [] }: EngineInput): void {
  if (service === undefined || models.length > 0) return
  throw invalid('models', 'name the models to rent: each answer of them costs money')
}

/** @throws GristmillError `conflict` where an engine has this address or name */
export function checkNew(
  { url, name }: Pick<EngineRow, 'url' | 'name'>,
  known: readonly Pick<EngineRow, 'url' | 'name'>[],
): void {
  for (const engine of known) {
    const isSameName = engine.name.toLowerCase() === name.toLowerCase()
    if (!isSameName && engine.url !== url) continue
    const what = isSameName ? `named ${name}` : `at ${url}`
    throw new GristmillError('conflict', { reason: `There is an engine ${what} already` })
  }
}

/** The address without a trailing slash. @throws GristmillError `invalid_value` */
function checkedUrl(text: string): string {
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw invalid('url', 'an address such as http://127.0.0.1:8000 is needed')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('url', 'credentials belong into the API key, not into the address')
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

const invalid = (param: string, reason: string) =>
  new GristmillError('invalid_value', { param, reason })
