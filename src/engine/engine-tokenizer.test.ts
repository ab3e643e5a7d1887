/** How each kind of engine is asked for the length of a prompt. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTokenCount } from './engine-tokenizer.ts'

const chat = { model: 'm', messages: [{ role: 'user', content: 'x' }], temperature: 0 }
const asked = { model: 'm', messages: chat.messages }

function engine(pages: Record<string, unknown>) {
  const seen: [string, object][] = []
  const post = (path: string, body: object) => {
    seen.push([path, body])
    const page = pages[path]
    const status = page === undefined ? 404 : 200
    return Promise.resolve({ status, text: JSON.stringify(page ?? 'no') })
  }
  return { seen, post }
}

test('the embedded engine and vLLM count a chat', async () => {
  for (const kind of ['gristmill', 'vllm'] as const) {
    const { seen, post } = engine({ '/tokenize': { count: 9, tokens: [] } })
    assert.equal(await readTokenCount(kind, chat, post), 9)
    assert.deepEqual(seen, [['/tokenize', asked]])
  }
})

test('llama.cpp’s server puts it into its template first', async () => {
  const { seen, post } = engine({
    '/apply-template': { prompt: '<x>' },
    '/tokenize': { tokens: [1, 2, 3] },
  })
  assert.equal(await readTokenCount('llama.cpp', chat, post), 3)
  assert.deepEqual(seen, [
    ['/apply-template', asked],
    ['/tokenize', { content: '<x>', add_special: true, parse_special: true }],
  ])
})

test('others are not asked, and who cannot answer is none', async () => {
  const { seen, post } = engine({})
  assert.equal(await readTokenCount('openai', chat, post), null)
  assert.equal(seen.length, 0)
  for (const kind of ['gristmill', 'vllm', 'llama.cpp'] as const) {
    assert.equal(await readTokenCount(kind, chat, post), null)
  }
  const odd = engine({ '/tokenize': 'many' })
  assert.equal(await readTokenCount('vllm', chat, odd.post), null)
})
