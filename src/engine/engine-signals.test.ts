/**
 * Signals of engines. The pages under `recordings` are those of a running llama.cpp server (build
 * de3ff81, two slots, two requests on their way; of the slots the sampling settings are left out).
 * The lines of vLLM follow its documentation.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readLoad } from './engine-signals.ts'

const NOT_THERE = { status: 404, text: '{"error":{"message":"not found"}}' }

function pages(given: Record<string, string>) {
  return async (path: string) => {
    const text = given[path]
    return text === undefined ? NOT_THERE : { status: 200, text }
  }
}

const vllm = (lines: readonly string[]) =>
  lines.map((line) => line.replace('{}', '{engine="0",model_name="some/model"}')).join('\n')

test('vLLM: requests, memory and preemptions, under its present names', async () => {
  const text = vllm([
    '# HELP vllm:num_requests_running Number of requests in model execution batches.',
    '# TYPE vllm:num_requests_running gauge',
    'vllm:num_requests_running{} 12.0',
    'vllm:num_requests_waiting{} 3.0',
    'vllm:kv_cache_usage_perc{} 0.42',
    'vllm:num_preemptions_total{} 7.0',
    'vllm:num_preemptions_created{} 1.7612e+09',
  ])
  const load = await readLoad('vllm', pages({ '/metrics': text }))
  assert.deepEqual(load, { running: 12, waiting: 3, kvUsage: 0.42, preemptions: 7 })
})

test('vLLM: the name of its memory before version 0.10', async () => {
  const text = vllm([
    'vllm:num_requests_running{} 1.0',
    'vllm:num_requests_waiting{} 0.0',
    'vllm:num_requests_swapped{} 0.0',
    'vllm:gpu_cache_usage_perc{} 0.97',
    'vllm:cpu_cache_usage_perc{} 0.0',
    'vllm:num_preemptions_total{} 0.0',
  ])
  const load = await readLoad('vllm', pages({ '/metrics': text }))
  assert.deepEqual(load, { running: 1, waiting: 0, kvUsage: 0.97, preemptions: 0 })
})

test('several engines behind one address add up, and the fullest memory counts', async () => {
  const text = [
    'vllm:num_requests_running{engine="0"} 4',
    'vllm:num_requests_running{engine="1"} 6',
    'vllm:num_requests_waiting{engine="0"} 0',
    'vllm:num_requests_waiting{engine="1"} 2',
    'vllm:kv_cache_usage_perc{engine="0"} 0.1',
    'vllm:kv_cache_usage_perc{engine="1"} 0.8',
  ].join('\n')
  const load = await readLoad('vllm', pages({ '/metrics': text }))
  assert.deepEqual(load, { running: 10, waiting: 2, kvUsage: 0.8, preemptions: null })
})

test('a page without figures, or none at all, is no sign of an idle engine', async () => {
  const headers = '# HELP vllm:num_requests_running x\n# TYPE vllm:num_requests_running gauge\n'
  for (const text of ['', headers, 'vllm:num_requests_running{} NaN', '<html>']) {
    assert.equal(await readLoad('vllm', pages({ '/metrics': text })), null)
  }
  assert.equal(await readLoad('vllm', pages({})), null)
  assert.equal(await readLoad('gristmill', pages({})), null)
})

test('an engine of unknown make is not asked', async () => {
  const get = () => Promise.reject(new Error('asked'))
  assert.equal(await readLoad('openai', get), null)
})

test('our own engine: what runs and what waits', async () => {
  const text = 'gristmill:num_requests_running 5\ngristmill:num_requests_waiting 1\n'
  const load = await readLoad('gristmill', pages({ '/metrics': text }))
  assert.deepEqual(load, { running: 5, waiting: 1, kvUsage: null, preemptions: null })
})

const recorded = (name: string) =>
  readFileSync(new URL(`./recordings/${name}`, import.meta.url), 'utf8')

test("llama.cpp's server: its metrics, as recorded", async () => {
  const get = pages({ '/metrics': recorded('llama-server-metrics.txt') })
  const load = await readLoad('llama.cpp', get)
  assert.deepEqual(load, { running: 1, waiting: 0, kvUsage: null, preemptions: null })
})

test("llama.cpp's server without metrics: its slots, which do not tell who waits", async () => {
  const get = pages({ '/slots': recorded('llama-server-slots.json') })
  const load = await readLoad('llama.cpp', get)
  assert.deepEqual(load, { running: 1, waiting: null, kvUsage: null, preemptions: null })
  assert.equal(await readLoad('llama.cpp', pages({ '/slots': '[]' })), null)
})
