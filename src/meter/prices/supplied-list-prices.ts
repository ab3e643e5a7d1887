/**
 * What closed services charged for a million tokens by their public price pages on the day named
 * with each: at the standard tier, without discounts, of models with one price at any hour and for
 * prompts of usual length. Facts with a date, not kept up by the program: an operator imports other
 * ones in their place.
 */
import type { ListPriceInput } from './list-price-input.ts'

const openai = {
  provider: 'openai',
  currency: 'USD',
  source: 'https://developers.openai.com/api/docs/pricing',
}
const anthropic = {
  provider: 'anthropic',
  currency: 'USD',
  source: 'https://platform.claude.com/docs/en/about-claude/pricing',
}
const google = {
  provider: 'google',
  currency: 'USD',
  source: 'https://ai.google.dev/gemini-api/docs/pricing',
}
const LONG = 'prompts above 272,000 tokens cost more'

export const suppliedListPrices: readonly ListPriceInput[] = [
  {
    ...openai,
    ...{ model: 'gpt-6-astra', input: '10', cachedInput: '1', cacheWrite: '12.50', output: '50' },
    asOf: '2026-09-05',
    via: 'https://github.com/prefect12/codex-token-meter/releases/tag/v0.2.22',
    note: LONG,
  },
  {
    ...openai,
    ...{ model: 'gpt-6-sol', input: '2', cachedInput: '0.20', cacheWrite: '2.50', output: '10' },
    asOf: '2026-09-22',
    via: 'https://github.com/merefield/codexometer/releases/tag/v0.18.4',
    note: LONG,
  },
  {
    ...openai,
    ...{ model: 'gpt-6-luna', input: '0.10', cachedInput: '0.01', cacheWrite: '0.125' },
    output: '0.50',
    asOf: '2026-09-22',
    via: 'https://github.com/merefield/codexometer/releases/tag/v0.18.4',
    note: LONG,
  },
  {
    ...openai,
    ...{ model: 'gpt-6.1-terra', input: '1', cachedInput: '0.05', cacheWrite: '1.25', output: '5' },
    asOf: '2026-10-27',
    via: 'https://github.com/TheKrush/PromptFuel/releases/tag/v1.0.24',
    note: LONG,
  },
  {
    ...openai,
    ...{ model: 'gpt-4.1', input: '2', output: '8' },
    asOf: '2026-06-21',
    via: 'https://tokenmath.io/openai-api-pricing-explained',
  },
  {
    ...openai,
    ...{ model: 'gpt-4.1-mini', input: '0.40', output: '1.60' },
    asOf: '2026-06-21',
    via: 'https://tokenmath.io/openai-api-pricing-explained',
  },
  {
    ...openai,
    ...{ model: 'text-embedding-3-small', input: '0.02', output: '0' },
    asOf: '2026-06-21',
    via: 'https://tokenmath.io/openai-api-pricing-explained',
  },
  {
    ...anthropic,
    ...{ model: 'claude-fable-5-1', input: '10', cachedInput: '0.25', cacheWrite: '12.50' },
    output: '50',
    asOf: '2026-10-10',
    via: 'https://docs.rs/synaps/0.10.2/synaps_cli/pricing/index.html',
  },
  {
    ...anthropic,
    ...{ model: 'claude-opus-5-5', input: '4', cachedInput: '0.20', cacheWrite: '5', output: '20' },
    asOf: '2026-09-23',
    via: 'https://github.com/TheKrush/PromptFuel/releases/tag/v1.0.21',
  },
  {
    ...anthropic,
    ...{ model: 'claude-opus-5', input: '5', cachedInput: '0.50', cacheWrite: '6.25' },
    output: '25',
    asOf: '2026-10-10',
    via: 'https://docs.rs/synaps/0.10.2/synaps_cli/pricing/index.html',
  },
  {
    ...anthropic,
    ...{ model: 'claude-sonnet-5-5', input: '2', cachedInput: '0.10', output: '10' },
    asOf: '2026-10-10',
    via: 'https://docs.rs/synaps/0.10.2/synaps_cli/pricing/index.html',
  },
  {
    ...anthropic,
    ...{ model: 'claude-haiku-5-5', input: '0.10', cachedInput: '0.01', cacheWrite: '0.125' },
    output: '0.50',
    asOf: '2026-10-24',
    via: 'https://github.com/kurofune/claudit/releases/tag/v1.9.2',
    note: 'requests with prompts above 100,000 tokens cost five times as much',
  },
  {
    ...google,
    ...{ model: 'gemini-4-neon', input: '3', cachedInput: '0.15', output: '15' },
    asOf: '2026-11-19',
    via: 'https://github.com/feronovak/llm-preflight/releases',
  },
  {
    ...google,
    ...{ model: 'gemini-4-hydrogen', input: '1.50', cachedInput: '0.075', output: '7.50' },
    asOf: '2026-11-16',
    via: 'https://github.com/TrazumAPP/Trazum/releases/tag/v2.7.9',
  },
  {
    ...google,
    ...{ model: 'gemini-3.5-flash-lite', input: '0.30', cachedInput: '0.03', output: '2.50' },
    asOf: '2026-11-16',
    via: 'https://github.com/TrazumAPP/Trazum/releases/tag/v2.7.9',
  },
  {
    ...{ provider: 'xai', currency: 'USD', source: 'https://docs.x.ai/docs/models' },
    ...{ model: 'grok-4.7', input: '2', cachedInput: '0.50', output: '6' },
    asOf: '2026-09-29',
    via: 'https://apidog.com/blog/how-to-use-grok-4-7-api/',
    note: 'prompts of 200,000 tokens and more cost twice as much',
  },
]
