/** A tiny model of the BERT family, random, against its own formulas in plain arithmetic. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createLogger, systemClock, systemRandom } from '../base/index.ts'
import { writeBertModel } from './bert-model.ts'
import {
  CONTEXT,
  EPS,
  HEADS,
  type Matrix,
  publish,
  randomWeights,
  SIZE,
} from './bert-parts.fixture.ts'
import { type RunningEngine, runEngine } from './main.ts'

const [UNK, CLS, SEP] = [1, 2, 3]

/** Devlin et al. 2018 (arXiv 1810.04805), then the mean over tokens, of length 1. */
function reference(weights: Map<string, Matrix>, tokens: number[]): number[] {
  const of = (name: string) => weights.get(name) as Matrix
  const row = (name: string) => of(name)[0] as number[]
  const linear = (name: string, x: number[]) =>
    of(`${name}.weight`).map((w, i) => dot(w, x) + (row(`${name}.bias`)[i] as number))
  const norm = (name: string, x: number[]) => {
    const mean = sum(x) / x.length
    const variance = sum(x.map((value) => (value - mean) ** 2)) / x.length
    const [w, b] = [row(`${name}.weight`), row(`${name}.bias`)]
    return x.map(
      (value, i) => ((value - mean) / Math.sqrt(variance + EPS)) * (w[i] ?? 0) + (b[i] ?? 0),
    )
  }
  const layer = 'encoder.layer.0'
  let hidden = tokens.map((token, at) =>
    norm(
      'embeddings.LayerNorm',
      (of('embeddings.word_embeddings.weight')[token] as number[]).map(
        (value, i) =>
          value +
          (of('embeddings.position_embeddings.weight')[at]?.[i] ?? 0) +
          (row('embeddings.token_type_embeddings.weight')[i] ?? 0),
      ),
    ),
  )
  const [q, k, v] = ['query', 'key', 'value'].map((part) =>
    hidden.map((x) => linear(`${layer}.attention.self.${part}`, x)),
  ) as [Matrix, Matrix, Matrix]
  const width = SIZE / HEADS
  hidden = hidden.map((x, at) => {
    const heads = Array.from({ length: HEADS }, (_, head) => {
      const part = (vector: number[] | undefined) =>
        vector?.slice(head * width, (head + 1) * width) ?? []
      const scores = k.map((key) => Math.exp(dot(part(q[at]), part(key)) / Math.sqrt(width)))
      const total = sum(scores)
      return Array.from({ length: width }, (_, i) =>
        sum(v.map((value, j) => ((scores[j] ?? 0) / total) * (part(value)[i] ?? 0))),
      )
    })
    const attended = linear(`${layer}.attention.output.dense`, heads.flat())
    return norm(`${layer}.attention.output.LayerNorm`, add(attended, x))
  })
  hidden = hidden.map((x) => {
    const inner = linear(`${layer}.intermediate.dense`, x).map(gelu)
    return norm(`${layer}.output.LayerNorm`, add(linear(`${layer}.output.dense`, inner), x))
  })
  const mean = Array.from({ length: SIZE }, (_, i) => sum(hidden.map((x) => x[i] ?? 0)))
  const length = Math.sqrt(dot(mean, mean))
  return mean.map((value) => value / length)
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
const dot = (a: number[], b: number[]) => sum(a.map((value, i) => value * (b[i] ?? 0)))
const add = (a: number[], b: number[]) => a.map((value, i) => value + (b[i] ?? 0))
/** With tanh for the error function, 0.0005 from it at most. */
const gelu = (x: number) =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))

describe('an engine with a model that only embeds', () => {
  const weights = randomWeights()
  let folder: string
  let engine: RunningEngine

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bert-'))
    await publish(folder, weights)
    const model = join(folder, 'tiny.gguf')
    await writeBertModel(folder, 'tiny', model)
    const logger = createLogger('error', 'engine')
    engine = await runEngine(
      { model, threads: 1 },
      { clock: systemClock, random: systemRandom, logger },
    )
  })
  after(async () => {
    await engine.close(0)
    await rm(folder, { recursive: true })
  })

  const ask = async (path: string, body?: object) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const response = await fetch(
      engine.url + path,
      body === undefined ? {} : { ...init, body: JSON.stringify(body) },
    )
    // biome-ignore lint/suspicious/noExplicitAny: tests read many shapes of JSON
    return { status: response.status, body: (await response.json()) as any }
  }

  test('gives the vectors that its formulas give', async () => {
    const input = ['The miller grinds.', 'the mill . the mill', 'bread']
    const tokens = [
      [CLS, 5, 6, 7, 8, 9, SEP],
      [CLS, 5, 6, 9, 5, 6, SEP],
      [CLS, UNK, SEP],
    ]
    const { status, body } = await ask('/v1/embeddings', { input })
    assert.equal(status, 200)
    for (const [at, ids] of tokens.entries()) {
      const expected = reference(weights, ids)
      const cosine = dot(body.data[at].embedding, expected)
      assert.ok(cosine > 0.9999, `${input[at]}: ${cosine}`)
    }
  })

  test('refuses to write, and inputs longer than its places', async () => {
    const chat = { messages: [{ role: 'user', content: 'the mill' }] }
    const refused = await ask('/v1/chat/completions', chat)
    assert.equal(refused.status, 400)
    assert.equal(refused.body.error.code, 'model_only_embeds')
    const words = (count: number) => ({ input: Array(count).fill('mill').join(' ') })
    assert.equal((await ask('/v1/embeddings', words(CONTEXT - 2))).status, 200)
    const long = await ask('/v1/embeddings', words(CONTEXT - 1))
    assert.equal(long.body.error.code, 'context_length_exceeded')
  })

  test('says so in its list of models, with what it can read', async () => {
    const { meta } = (await ask('/v1/models')).body.data[0]
    assert.equal(meta.embeds_only, true)
    assert.equal(meta.slots, 2)
    assert.ok(meta.calibration.capacityUnitsPerS > 0)
  })
})
