/** What was found out about an engine, as a sentence for whoever has just added it. */
import { presets } from './services/presets.ts'
import type { EngineProfile } from './types.ts'

const NAMES: Record<EngineProfile['kind'], string> = {
  gristmill: 'Gristmill',
  vllm: 'vLLM',
  sglang: 'SGLang',
  'llama.cpp': "llama.cpp's server",
  ollama: 'Ollama',
  tgi: 'TGI',
  'lm-studio': 'LM Studio',
  openai: "An endpoint of OpenAI's wire",
  service: 'A rented service',
}
/** Programs that have priority scheduling to turn on. */
const RANKS = new Set<EngineProfile['kind']>(['gristmill', 'vllm', 'sglang'])
const MODELS_SHOWN = 3

/**
 * True where tenants share what the engine remembers of prompts, so that one can tell by the time
 * that an answer takes what another has sent.
 */
export function hasSharedCache(
  profile: Pick<EngineProfile, 'takesCacheSalt' | 'takesCacheOff'>,
): boolean {
  return !profile.takesCacheSalt && !profile.takesCacheOff
}

/** Such as `vLLM 0.32.0, smollm2, 2,048 context, priority scheduling off, …`. */
export function summaryOf(profile: EngineProfile): string {
  const { kind, service, version, takesPriority, tellsLoad } = profile
  const name = service === undefined ? NAMES[kind] : `Rented from ${presets[service].title}`
  return [
    [name, version].filter(Boolean).join(' '),
    ...modelsInWords(profile.models),
    ...(RANKS.has(kind) ? [`priority scheduling ${takesPriority ? 'on' : 'off'}`] : []),
    cacheInWords(profile),
    ...(service === undefined ? [tellsLoad ? 'tells its load' : 'tells nothing of its load'] : []),
  ].join(', ')
}

function modelsInWords(models: EngineProfile['models']): string[] {
  const shown = models.slice(0, MODELS_SHOWN).map(({ name }) => name)
  const more = models.length - shown.length
  const contexts = new Set(models.map(({ contextTokens }) => contextTokens))
  const [context] = contexts
  return [
    ...shown,
    ...(more > 0 ? [`${more} more models`] : []),
    ...(contexts.size === 1 && context ? [`${context.toLocaleString('en-US')} context`] : []),
  ]
}

function cacheInWords(profile: EngineProfile): string {
  if (profile.takesCacheSalt) return 'cache kept apart by tenant'
  if (profile.promptSlots !== undefined) return 'prompts kept apart by slot'
  return profile.takesCacheOff ? 'keeps no prompts' : 'shared cache'
}
