/** What an operator says of a new engine, checked. */
import { GristmillError } from '../base/index.ts'
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
  /** Only these of its models; of a rented service they must be named, because they cost money. */
  models?: string[] | undefined
}

/** What makes an engine out of an input. @throws GristmillError `invalid_value` */
export function checkedInput(input: EngineInput) {
  const { service = null, apiVersion = null, models } = input
  const preset = service === null ? null : presets[service]
  const url = checkedUrl(input.url ?? preset?.url ?? '')
  const name = (input.name ?? preset?.title ?? new URL(url).host).trim()
  if (name === '' || name.length > NAME_LENGTH_MAX)
    throw invalid('name', 'it must be 1 to 100 long')
  if (service !== null && (models ?? []).length === 0) {
    throw invalid('models', 'name the models to rent: each answer of them costs money')
  }
  if (apiVersion !== null && service !== 'azure') {
    throw invalid('apiVersion', 'only Azure has versions in its addresses')
  }
  return { url, name, service, apiVersion }
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
