import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Registry } from '../base/index.ts'
import { GenAiMetrics, type Operation } from './gen-ai-metrics.ts'

const answered: Operation = {
  endpoint: '/v1/chat/completions',
  model: 'small',
  end: 'done',
  counts: { inputTokens: 12, cachedTokens: 0, outputTokens: 5 },
  durationMs: 1000,
  ttftMs: 90,
  tokenGapMs: 200,
}

const value = (text: string, name: string, labels: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${name}{`) && line.includes(labels))
    ?.split(' ')
    .at(-1)

it('shows what the conventions name, an error with its type', async () => {
  const registry = new Registry()
  const metrics = new GenAiMetrics(registry)
  metrics.ended(answered)
  metrics.ended({ ...answered, endpoint: '/v1/messages' })
  const nothing = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
  const refused = { end: 'refused', counts: nothing, ttftMs: null, tokenGapMs: null } as const
  metrics.ended({ ...answered, ...refused })
  metrics.ended({ ...answered, endpoint: '/v1/embeddings', ttftMs: null, tokenGapMs: null })
  const text = await registry.metrics()
  const chat =
    'gen_ai_operation_name="chat",gen_ai_provider_name="gristmill",gen_ai_request_model="small"'
  const seconds = 'gen_ai_server_request_duration_seconds'
  assert.equal(value(text, `${seconds}_count`, `{${chat}}`), '2')
  assert.equal(value(text, `${seconds}_count`, `{${chat},error_type="refused"}`), '1')
  assert.equal(value(text, `${seconds}_bucket`, `{le="0.64",${chat}}`), '0')
  assert.equal(value(text, `${seconds}_bucket`, `{le="1.28",${chat}}`), '2')
  assert.equal(value(text, 'gen_ai_server_time_to_first_token_seconds_count', chat), '2')
  assert.equal(value(text, 'gen_ai_server_time_per_output_token_seconds_sum', chat), '0.4')
  const tokens = 'gen_ai_client_token_usage_sum'
  assert.equal(value(text, tokens, `${chat},gen_ai_token_type="input"`), '24')
  assert.equal(value(text, tokens, `${chat},gen_ai_token_type="output"`), '10')
  assert.equal(value(text, tokens, '"embeddings",'), '12')
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const names = samples.map((line) => line.slice(0, line.lastIndexOf(' ')))
  assert.equal(new Set(names).size, names.length)
})

it('has a bound for the models it names', async () => {
  const registry = new Registry()
  const metrics = new GenAiMetrics(registry)
  for (let i = 0; i < 300; i++) metrics.ended({ ...answered, model: `model-${i}` })
  const text = await registry.metrics()
  const models = new Set(text.match(/gen_ai_request_model="[^"]*"/g))
  assert.equal(models.size, 201)
  assert.equal(value(text, 'gen_ai_server_request_duration_seconds_count', '"other"'), '100')
})
