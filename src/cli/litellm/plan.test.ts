import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { limitsInput } from '../../tenancy/index.ts'
import { type Known, type MovePlan, planMove } from './plan.ts'
import { checkedRows, parseConfig } from './source.ts'

const nothing: Known = { engines: [], tenants: [], routes: [] }
const NOW_MS = Date.parse('2026-11-28T12:00:00Z')
const sha256 = (digit: string) => digit.repeat(64)

interface Given {
  rows?: Record<string, unknown>
  environment?: Record<string, string>
  known?: Partial<Known>
}

function plan(yaml: string, { rows, environment = {}, known }: Given = {}): MovePlan {
  const all = { teams: [], keys: [], budgets: [], models: [], others: {}, ...rows }
  const source = {
    config: parseConfig(yaml),
    rows: checkedRows(all),
    environment,
    nowMs: NOW_MS,
  }
  return planMove(source, { ...nothing, ...known })
}

const entry = (name: string, params: string, info = '{}') =>
  `  - { model_name: ${name}, litellm_params: { ${params} }, model_info: ${info} }\n`
const models = (...entries: string[]) => `model_list:\n${entries.join('')}`
const target = (model: string, engine: string | null, changes = {}) => ({
  ...{ model, engine, preference: 1, weight: 1, when: {}, price: null },
  ...changes,
})
const told = (remarks: MovePlan['missing']) =>
  remarks.map(({ where, why }) => `${where}: ${why}`).join('\n')

describe('models', () => {
  it('of one address are one engine, with every key and the price of a token', () => {
    const { engines, newRoutes, missing } = plan(
      models(
        entry(
          'smart',
          'model: openai/gpt-x, api_key: os.environ/KEY_1, input_cost_per_token: 2.5e-6',
        ),
        entry('smart', 'model: openai/gpt-x, api_key: sk-2, input_cost_per_token: 2.5e-6'),
        entry('quick', 'model: gpt-y, api_key: sk-2', '{ output_cost_per_token: "1e-6" }'),
      ),
      { environment: { KEY_1: 'sk-1' } },
    )
    assert.deepEqual(missing, [])
    assert.equal(engines.length, 1)
    const { name, url, service, apiKeys, models: named } = engines[0] ?? assert.fail()
    assert.deepEqual([name, url, service], ['OpenAI', 'https://api.openai.com', 'openai'])
    assert.deepEqual(
      [apiKeys, named],
      [
        ['sk-1', 'sk-2'],
        ['gpt-x', 'gpt-y'],
      ],
    )
    const price = { inputNanos: 2500, outputNanos: 0 }
    assert.deepEqual(newRoutes[0]?.targets, [target('gpt-x', 'OpenAI', { weight: 2, price })])
    assert.deepEqual(newRoutes[1]?.targets[0]?.price, { inputNanos: 0, outputNanos: 1000 })
  })

  it('at several engines of equal weight are one pool, and have weights where they differ', () => {
    const vllm = (name: string, host: string, more = '') =>
      entry(name, `model: hosted_vllm/llama, api_base: "http://${host}:8000/v1/"${more}`)
    const even = plan(models(vllm('chat', 'a'), vllm('chat', 'b')))
    assert.deepEqual(
      even.engines.map(({ url }) => url),
      ['http://a:8000', 'http://b:8000'],
    )
    assert.deepEqual(even.newRoutes[0]?.targets, [target('llama', null, { weight: 2 })])
    const uneven = plan(models(vllm('chat', 'a', ', weight: 3'), vllm('chat', 'b')))
    const apart = [target('llama', 'a:8000', { weight: 3 }), target('llama', 'b:8000')]
    assert.deepEqual(uneven.newRoutes[0]?.targets, apart)
    const split = plan(models(vllm('fast', 'a'), vllm('slow', 'b')))
    assert.deepEqual(split.newRoutes[1]?.targets, [target('llama', 'b:8000')])
  })

  it('keep their order, and fall back to others after that', () => {
    const yaml = `${models(
      entry('chat', 'model: ollama/llama, order: 1, temperature: 0.2'),
      entry('chat', 'model: openai/llama, api_base: "http://b/v1", order: 7, temperature: 0.2'),
      entry('spare', 'model: claude-x, api_key: sk'),
    )}
router_settings:
  fallbacks: [{ chat: [spare, gone] }]
  model_group_alias: { gpt-4: chat, gpt-5: { model: spare, hidden: true }, lost: gone }
`
    const { newRoutes, noEquivalent } = plan(yaml)
    assert.deepEqual(newRoutes[0], {
      name: 'chat',
      aliases: ['gpt-4'],
      targets: [
        target('llama', 'localhost:11434'),
        target('llama', 'b', { preference: 2 }),
        target('claude-x', 'Anthropic', { preference: 3 }),
      ],
      defaults: { temperature: 0.2 },
      deprecation: null,
      overflow: null,
    })
    assert.deepEqual(newRoutes[1]?.aliases, ['gpt-5'])
    assert.match(told(noEquivalent), /fallbacks of chat: nothing that moves is called gone/)
    assert.match(told(noEquivalent), /model_group_alias\.lost: nothing that moves is called gone/)
  })

  it('need the variables that they name, and none of them is shown', () => {
    const yaml = `${models(
      entry('a', 'model: openai/gpt-x, api_key: os.environ/NOT_THERE'),
      entry('b', 'model: mistral/small'),
      entry('c', 'model: hosted_vllm/llama'),
      entry('d', 'model: azure/mine, litellm_credential_name: ours'),
    )}
credential_list:
  - { credential_name: ours, credential_values: { api_key: sk-secret, api_base: "https://x" } }
environment_variables: { MISTRAL_API_KEY: sk-from-file }
`
    const { missing, noEquivalent, engines } = plan(yaml)
    assert.deepEqual(missing, [
      { where: 'model_list.0 (a)', why: 'set NOT_THERE to what LiteLLM has there' },
      { where: 'model_list.2 (c)', why: 'give it an api_base' },
    ])
    const keys = engines.flatMap(({ apiKeys }) => apiKeys)
    assert.deepEqual(keys, ['sk-from-file', 'sk-secret'])
    assert.doesNotMatch(told([...missing, ...noEquivalent]), /sk-/)
  })
})

describe('teams and keys', () => {
  const team = { team_id: 't1', team_alias: 'Support', models: ['chat', 'beta'], tpm_limit: 900 }
  const key = { token: sha256('a'), key_alias: 'bot', team_id: 't1', models: [], expires: null }
  const chat = entry('chat', 'model: hosted_vllm/llama, api_base: "http://a"')
  const inBeta = entry(
    'new',
    'model: hosted_vllm/new, api_base: "http://a"',
    '{ access_groups: [beta] }',
  )
  const yaml = models(chat, inBeta)

  it('are tenants and keys with their limits, those of a budget included', () => {
    const rows = {
      teams: [team],
      keys: [
        { ...key, budget_id: 'b1', max_parallel_requests: 2 },
        { ...key, token: sha256('b'), key_alias: null, team_id: null },
      ],
      budgets: [{ budget_id: 'b1', tpm_limit: 50, max_parallel_requests: 9, max_budget: 10 }],
    }
    const found = plan(yaml, { rows, known: { tenants: [{ id: 'ten_1', name: 'support' }] } })
    assert.deepEqual(found.tenants, [
      { name: 'Support', models: ['chat', 'new'], limits: { tokensPerMinute: 900 }, id: 'ten_1' },
      { name: 'litellm', models: null, limits: {}, id: undefined },
    ])
    const limits = { concurrencyMax: 2, tokensPerMinute: 50 }
    const own = { tenant: 'Support', name: 'bot', sha256: sha256('a'), limits, expiresAt: null }
    const other = { ...own, tenant: 'litellm', name: 'key bbbbbbbb', sha256: sha256('b') }
    assert.deepEqual(found.keys, [own, { ...other, limits: {} }])
    assert.match(told(found.noEquivalent), /^key bot: max_budget 10: .*gristmill budget create$/m)
  })

  it('with limits larger than any here get the largest that there is', () => {
    const endless = { max_parallel_requests: 2 ** 31 - 1, tpm_limit: 9e15 }
    const team = { team_id: 't1', team_alias: 'Support', models: [], blocked: false, ...endless }
    const rows = { teams: [team], keys: [], budgets: [], models: [], others: {} }
    const [{ limits } = assert.fail()] = plan(yaml, { rows }).tenants
    assert.deepEqual(limitsInput.parse(limits), limits)
    assert.equal(Object.keys(limits).length, 2)
  })

  it('stay behind where they are blocked or over, and a team of no models may use none', () => {
    const rows = {
      teams: [
        { ...team, blocked: true },
        { ...team, team_id: 't2', team_alias: 'None', models: ['no-default-models'] },
        { ...team, team_id: 't3', team_alias: 'none', models: ['all-proxy-models'] },
      ],
      keys: [
        key,
        { ...key, token: sha256('b'), team_id: 't2', blocked: true },
        { ...key, token: sha256('c'), team_id: 't2', expires: '2026-11-28T11:59:59Z' },
        { ...key, token: sha256('d'), team_id: 'litellm-dashboard' },
        { ...key, token: 'sk-as-it-is', team_id: 't2' },
        { ...key, token: sha256('e'), team_id: 't2', rpm_limit: 5, models: ['chat'] },
      ],
    }
    const { tenants, keys, noEquivalent } = plan(yaml, { rows })
    const named = tenants.map((tenant) => [tenant.name, tenant.models])
    assert.deepEqual(named, [
      ['None', []],
      ['none (t3)', null],
    ])
    assert.deepEqual(
      keys.map((one) => one.sha256),
      [sha256('e')],
    )
    const text = told(noEquivalent)
    assert.match(text, /team Support: it is blocked/)
    assert.match(text, /key bot: it has expired/)
    assert.match(text, /key bot: rpm_limit 5: limits are/)
    assert.match(text, /key bot: models of its own \(chat\)/)
    assert.doesNotMatch(text, /sk-as-it-is/)
  })
})

describe('what has no equivalent', () => {
  it('is named with the place where it stood, and not what is off or moved', () => {
    const yaml = `${models(
      entry('any', 'model: openai/*'),
      entry('cloud', 'model: bedrock/titan, aws_secret_access_key: s3cret'),
      entry('chat', 'model: hosted_vllm/llama, api_base: "http://a", rpm: 6'),
    )}
litellm_settings: { callbacks: [langfuse], cache: true, drop_params: false, num_retries: 2 }
router_settings: { provider_budget_config: { openai: { budget_limit: 9 } } }
general_settings: { master_key: sk-master, unheard_of: 1 }
guardrails: [{ guardrail_name: pii }]
`
    const others = { LiteLLM_UserTable: 3, LiteLLM_OrganizationTable: 0 }
    const text = told(plan(yaml, { rows: { others } }).noEquivalent)
    for (const where of [
      'model_list.0 (any)',
      'model_list.1 (cloud)',
      'model_list.2 (chat): litellm_params.rpm',
      'litellm_settings.callbacks',
      'litellm_settings.cache',
      'litellm_settings.num_retries',
      'general_settings.master_key',
      'general_settings.unheard_of',
      'guardrails',
      'LiteLLM_UserTable: 3 rows',
    ]) {
      assert.ok(text.includes(`${where}: `), where)
    }
    assert.doesNotMatch(text, /drop_params|Organization|sk-master|s3cret/)
    assert.match(text, /provider_budget_config: .*gristmill budget create$/m)
    assert.match(text, /^guardrails: guards .*gristmill route apply$/m)
  })

  it('is asked for where it is a model that only the database has', () => {
    const rows = { models: [{ model_name: 'hidden' }, { model_name: 'old', blocked: true }] }
    const { missing } = plan('model_list: []', { rows })
    assert.deepEqual(
      missing.map(({ where }) => where),
      ['LiteLLM_ProxyModelTable (hidden)'],
    )
  })
})

describe('what the server has already', () => {
  const yaml = models(entry('chat', 'model: hosted_vllm/llama, api_base: "http://a/v1"'))
  const engine = { id: 'eng_1', name: 'gpu-1', url: 'http://a', state: 'up' }
  const serving = { ...engine, models: [{ name: 'llama' }] }

  it('is used: an engine by its address, a route that is the same', () => {
    const first = plan(yaml, { known: { engines: [serving] } })
    assert.deepEqual([first.engines[0]?.id, first.engines[0]?.name], ['eng_1', 'gpu-1'])
    const known = { engines: [serving], routes: first.newRoutes }
    const second = plan(yaml, { known })
    assert.deepEqual([second.newRoutes, second.routesThere, second.missing], [[], 1, []])
  })

  it('is not changed: a route of that name, and an engine without the model, are refused', () => {
    const [route] = plan(yaml).newRoutes
    const other = { ...(route ?? assert.fail()), name: 'mine', aliases: ['chat'] }
    const engines = [{ ...serving, models: [] }]
    const { missing, newRoutes } = plan(yaml, { known: { engines, routes: [other] } })
    assert.deepEqual(newRoutes, [])
    assert.match(told(missing), /engine gpu-1: it is there, but has no llama/)
    assert.match(told(missing), /route chat: a route mine is there and is another/)
  })
})
