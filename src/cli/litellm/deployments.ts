/** Entries of `model_list`: which engine or service each one is, with its key and its terms. */
import { presets, type ServiceName } from '../../engine/index.ts'
import type { Remarks } from './remarks.ts'
import type { LiteLlmConfig, ModelEntry } from './source.ts'

export type Environment = Record<string, string | undefined>

/** A model at one address, as one entry of the list means it. */
export interface Deployment {
  /** Name that clients ask for. */
  name: string
  model: string
  /** undefined: an engine of one's own. */
  service: ServiceName | undefined
  /** Without what stands in place of `/v1`. */
  url: string
  apiVersion: string | undefined
  apiKey: string | undefined
  weight: number
  /** Lower is asked first. */
  order: number
  price: { inputNanos: number; outputNanos: number } | null
  /** Fields that a request has where it does not set them. */
  defaults: Record<string, unknown>
  /** Names under which teams may use it besides its own. */
  groups: string[]
}

interface Provider {
  service?: ServiceName
  keys: string[]
  bases: string[]
  url?: string
}

const openai: Provider = {
  service: 'openai',
  keys: ['OPENAI_API_KEY'],
  bases: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'],
}
const ollama: Provider = {
  keys: ['OLLAMA_API_KEY'],
  bases: ['OLLAMA_API_BASE'],
  url: 'http://localhost:11434',
}
const own = (prefix: string): Provider => ({
  keys: [`${prefix}_API_KEY`],
  bases: [`${prefix}_API_BASE`],
})

/** Providers by LiteLLM's names for them, with the variables that it takes their values from. */
const providers: Record<string, Provider> = {
  openai,
  'text-completion-openai': openai,
  anthropic: { service: 'anthropic', keys: ['ANTHROPIC_API_KEY'], bases: ['ANTHROPIC_API_BASE'] },
  azure: { service: 'azure', keys: ['AZURE_API_KEY'], bases: ['AZURE_API_BASE'] },
  gemini: { service: 'gemini', keys: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'], bases: [] },
  mistral: { service: 'mistral', keys: ['MISTRAL_API_KEY'], bases: ['MISTRAL_API_BASE'] },
  openrouter: {
    service: 'openrouter',
    keys: ['OPENROUTER_API_KEY'],
    bases: ['OPENROUTER_API_BASE'],
  },
  hosted_vllm: own('HOSTED_VLLM'),
  ollama,
  ollama_chat: ollama,
  lm_studio: own('LM_STUDIO'),
  llamafile: own('LLAMAFILE'),
  openai_like: own('OPENAI_LIKE'),
  custom_openai: own('OPENAI_LIKE'),
  litellm_proxy: own('LITELLM_PROXY'),
}

/** Fields of a request that an entry may set for its model. */
const DEFAULTS = new Set([
  'temperature',
  'top_p',
  'max_tokens',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
])
const READ = new Set([
  'model',
  'custom_llm_provider',
  'api_base',
  'base_url',
  'api_key',
  'api_version',
  'litellm_credential_name',
  'weight',
  'order',
  'input_cost_per_token',
  'output_cost_per_token',
])
const WHY_NOT: Record<string, string> = {
  rpm: 'what a service takes is learnt from its answers',
  tpm: 'what a service takes is learnt from its answers',
  max_parallel_requests: 'an engine has a cap: gristmill engine add ADDRESS --cap N',
}

/** Every entry that something here is like. */
export function deploymentsOf(
  config: LiteLlmConfig,
  environment: Environment,
  remarks: Remarks,
): Deployment[] {
  return config.model_list.flatMap((entry, index) => {
    const read = new EntryReader(config, environment, remarks, entry, index)
    return read.deployment() ?? []
  })
}

class EntryReader {
  readonly #environment: Environment
  readonly #remarks: Remarks
  readonly #entry: ModelEntry
  readonly #where: string
  /** Of the entry, over those of the credential that it names. */
  readonly #params: ModelEntry['litellm_params']

  constructor(
    config: LiteLlmConfig,
    environment: Environment,
    remarks: Remarks,
    entry: ModelEntry,
    index: number,
  ) {
    this.#environment = environment
    this.#remarks = remarks
    this.#entry = entry
    this.#where = `model_list.${index} (${entry.model_name})`
    const named = entry.litellm_params.litellm_credential_name
    const credential = config.credential_list.find((one) => one.credential_name === named)
    if (named !== undefined && credential === undefined) {
      remarks.lacks(this.#where, 'the credential that it names is not in credential_list')
    }
    this.#params = { ...credential?.credential_values, ...entry.litellm_params }
  }

  deployment(): Deployment | undefined {
    const { model_name: name, model_info: info } = this.#entry
    const { provider: named, model } = providerOf(this.#params)
    if (name.includes('*') || model.includes('*')) {
      return this.#left('a name with * stands for any model: list each that is asked for')
    }
    const provider = Object.hasOwn(providers, named ?? '') ? providers[named ?? ''] : undefined
    if (provider === undefined) {
      const who = named === undefined ? 'its provider cannot be told' : `of the provider ${named}`
      return this.#left(
        `${who}: if it speaks OpenAI's wire, write openai/${model} and its api_base`,
      )
    }
    const place = this.#placeOf(provider)
    if (place === undefined) return undefined
    this.#nameUnread()
    return {
      name,
      model,
      ...place,
      weight: numberOf(this.#params.weight) ?? 1,
      order: numberOf(this.#params.order) ?? 1,
      price: this.#price(place.service, provider),
      defaults: Object.fromEntries(
        Object.entries(this.#params).filter(([field]) => DEFAULTS.has(field)),
      ),
      groups: Array.isArray(info.access_groups) ? info.access_groups.map(String) : [],
    }
  }

  #placeOf(
    provider: Provider,
  ): Pick<Deployment, 'service' | 'url' | 'apiVersion' | 'apiKey'> | undefined {
    const given = this.#text('api_base') ?? this.#text('base_url') ?? this.#first(provider.bases)
    const preset = provider.service && presets[provider.service]
    const base = given ?? preset?.url ?? provider.url
    if (base === undefined) {
      this.#remarks.lacks(this.#where, 'give it an api_base')
      return undefined
    }
    const url = addressOf(base, preset?.root)
    if (url === undefined) {
      this.#remarks.lacks(this.#where, 'its api_base is no address that begins with http')
      return undefined
    }
    // OpenAI's wire at another address is an engine like any other.
    const isOther = provider === openai && url !== presets.openai.url
    const service = isOther ? undefined : provider.service
    // A key of OpenAI's is not for others; who wants that says so in the entry.
    const apiKey = this.#text('api_key') ?? (isOther ? undefined : this.#first(provider.keys))
    if (service !== undefined && apiKey === undefined && this.#params.api_key === undefined) {
      this.#remarks.lacks(this.#where, `set ${provider.keys[0]}, or give it an api_key`)
    }
    const apiVersion = service === 'azure' ? this.#text('api_version') : undefined
    return { service, url, apiVersion, apiKey }
  }

  #left(why: string): undefined {
    this.#remarks.left(this.#where, why)
  }

  /** A field of the entry; `os.environ/NAME` is what the variable holds. */
  #text(field: string): string | undefined {
    const value = this.#params[field]
    if (typeof value !== 'string' || value === '') return undefined
    const name = /^os\.environ\/(.+)$/.exec(value)?.[1]
    if (name === undefined) return value
    const found = this.#environment[name]
    if (!found) this.#remarks.lacks(this.#where, `set ${name} to what LiteLLM has there`)
    return found || undefined
  }

  #first(variables: readonly string[]): string | undefined {
    return variables.map((name) => this.#environment[name]).find(Boolean)
  }

  #price(service: ServiceName | undefined, provider: Provider): Deployment['price'] {
    const { model_info: info } = this.#entry
    const cost = (field: string) => numberOf(this.#params[field]) ?? numberOf(info[field]) ?? 0
    const price = {
      inputNanos: Math.round(cost('input_cost_per_token') * 1e9),
      outputNanos: Math.round(cost('output_cost_per_token') * 1e9),
    }
    if (price.inputNanos === 0 && price.outputNanos === 0) {
      if (service) this.#left('it has no cost per token: write a price at its target')
      return null
    }
    // What speaks OpenAI's wire elsewhere, and has a price, is rented.
    if (service || provider === openai) return price
    this.#left('what tenants pay for own engines is in the price book: gristmill price set')
    return null
  }

  #nameUnread(): void {
    const { litellm_params: params, model_info: info } = this.#entry
    for (const [field, value] of Object.entries(params)) {
      if (READ.has(field) || DEFAULTS.has(field) || value === null) continue
      const why = WHY_NOT[field] ?? 'there is no such setting here'
      this.#remarks.left(`${this.#where}: litellm_params.${field}`, why)
    }
    if (info.team_id) {
      const why = 'it is for one team only: write when: { tenants: [NAME] } at its target'
      this.#remarks.left(`${this.#where}: model_info.team_id`, why)
    }
  }
}

/** What stands before the first slash of a model, or is known of its name. */
function providerOf({ model, custom_llm_provider: given }: ModelEntry['litellm_params']): {
  provider: string | undefined
  model: string
} {
  const slash = model.indexOf('/')
  const prefix = model.slice(0, Math.max(slash, 0))
  if (typeof given === 'string') {
    return { provider: given, model: prefix === given ? model.slice(slash + 1) : model }
  }
  if (slash > 0) return { provider: prefix, model: model.slice(slash + 1) }
  if (/^(gpt-|chatgpt-|o\d|text-embedding-)/.test(model)) return { provider: 'openai', model }
  return { provider: model.startsWith('claude-') ? 'anthropic' : undefined, model }
}

/** An address without what stands in place of `/v1`; undefined where it is none. */
function addressOf(base: string, root = '/v1'): string | undefined {
  const url = URL.parse(base)
  if (!url || !['http:', 'https:'].includes(url.protocol)) return undefined
  const path = url.pathname.replace(/\/+$/, '')
  const end = [root, '/v1'].find((one) => path.endsWith(one)) ?? ''
  const user = url.username === '' ? '' : `${url.username}:${url.password}@`
  return `${url.protocol}//${user}${url.host}${path.slice(0, path.length - end.length)}`
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}
