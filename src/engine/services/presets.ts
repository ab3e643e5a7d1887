/**
 * Services that models are rented from: where they are, how they take a key, and in what their
 * chat wire differs from what engines take. A table and pure functions.
 */
import { type Fates, ignored, translated } from '../../base/index.ts'
import { type Fields, fieldsOf, listOf } from '../wire-fields.ts'

export const serviceNames = [
  'anthropic',
  'azure',
  'bedrock',
  'gemini',
  'mistral',
  'openai',
  'openrouter',
] as const

export type ServiceName = (typeof serviceNames)[number]

export interface Preset {
  /** Its name as people know it. */
  title: string
  wire: 'openai' | 'anthropic'
  /** null where every customer has an address of their own. */
  url: string | null
  /** What such an address looks like. */
  urlExample?: string
  /** What stands in place of `/v1` in the paths. */
  root: string
  /** What becomes of fields of a chat request; others are passed on. */
  fates: Fates
  keyHeaders(key: string): readonly string[]
  /** Headers that go with every request, names and values in turns. */
  headers?: readonly string[]
}

const bearer = (key: string) => ['authorization', `Bearer ${key}`] as const

const OURS = 'it is the class here, and the account decides there'
const SAMPLING = 'sampling of open engines'
const own = {
  service_tier: ignored(OURS),
  top_k: ignored(SAMPLING),
  min_p: ignored(SAMPLING),
  min_tokens: ignored(SAMPLING),
  ignore_eos: ignored(SAMPLING),
  repetition_penalty: ignored(SAMPLING),
  repeat_penalty: ignored(SAMPLING),
  chat_template_kwargs: ignored(SAMPLING),
}
/** The gateway tells a bound by both of its names; a service is told it once. */
const boundOnce = { max_completion_tokens: translated('max_tokens') }
const UNKNOWN = 'the service refuses what it does not know'

export const presets: Record<ServiceName, Preset> = {
  anthropic: {
    title: 'Anthropic',
    wire: 'anthropic',
    url: 'https://api.anthropic.com',
    root: '/v1',
    fates: {},
    keyHeaders: (key) => ['x-api-key', key],
    headers: ['anthropic-version', '2023-06-01'],
  },
  azure: {
    title: 'Azure OpenAI',
    wire: 'openai',
    url: null,
    urlExample: 'https://NAME.openai.azure.com',
    root: '/openai/v1',
    fates: { ...own, max_tokens: translated('max_completion_tokens') },
    keyHeaders: (key) => ['api-key', key],
  },
  bedrock: {
    title: 'Amazon Bedrock',
    wire: 'openai',
    url: null,
    urlExample: 'https://bedrock-runtime.REGION.amazonaws.com',
    root: '/openai/v1',
    fates: { ...own, ...boundOnce },
    keyHeaders: bearer,
  },
  gemini: {
    title: 'Gemini',
    wire: 'openai',
    url: 'https://generativelanguage.googleapis.com',
    root: '/v1beta/openai',
    fates: {
      ...own,
      ...boundOnce,
      user: ignored(UNKNOWN),
      safety_identifier: ignored(UNKNOWN),
      store: ignored(UNKNOWN),
      metadata: ignored(UNKNOWN),
      logit_bias: ignored(UNKNOWN),
      prompt_cache_key: ignored(UNKNOWN),
      verbosity: ignored(UNKNOWN),
    },
    keyHeaders: bearer,
  },
  mistral: {
    title: 'Mistral',
    wire: 'openai',
    url: 'https://api.mistral.ai',
    root: '/v1',
    fates: {
      ...own,
      ...boundOnce,
      seed: translated('random_seed'),
      stream_options: ignored('it always tells usage'),
      user: ignored(UNKNOWN),
      safety_identifier: ignored(UNKNOWN),
      store: ignored(UNKNOWN),
      logit_bias: ignored(UNKNOWN),
      logprobs: ignored(UNKNOWN),
      top_logprobs: ignored(UNKNOWN),
      verbosity: ignored(UNKNOWN),
    },
    keyHeaders: bearer,
  },
  openai: {
    title: 'OpenAI',
    wire: 'openai',
    url: 'https://api.openai.com',
    root: '/v1',
    fates: { ...own, max_tokens: translated('max_completion_tokens') },
    keyHeaders: bearer,
  },
  openrouter: {
    title: 'OpenRouter',
    wire: 'openai',
    url: 'https://openrouter.ai',
    root: '/api/v1',
    fates: { service_tier: ignored(OURS), ...boundOnce },
    keyHeaders: bearer,
  },
}

/** A chat request as a service of OpenAI's wire takes it. */
export function serviceRequest({ fates }: Preset, chat: Fields): Fields {
  const body: Fields = {}
  for (const [name, value] of Object.entries(chat)) {
    const known = Object.hasOwn(fates, name) ? fates[name] : undefined
    if (known?.fate === 'ignored') continue
    const to = known?.fate === 'translated' ? known.how : name
    // A name that the client gave itself counts.
    if (to === name || chat[to] === undefined || chat[to] === null) body[to] = value
  }
  // What a model has thought belongs to the engine that told it.
  if ('messages' in body) body.messages = listOf(body.messages).map(withoutThoughts)
  return body
}

function withoutThoughts(message: unknown): unknown {
  const fields = fieldsOf(message)
  if (fields.reasoning_content === undefined && fields.thinking_blocks === undefined) return message
  const { reasoning_content: _, thinking_blocks: __, ...rest } = fields
  return rest
}
