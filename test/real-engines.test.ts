/**
 * The adapter against real engines of others, where `GRISTMILL_TEST_ENGINES` names a folder with
 * them (`docs/benchmarks.md`, rivals, says what lies there); skipped where it does not.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startLlama, startVllm } from '../bench/rival-programs.ts'
import { limitTable, systemClock, systemRandom } from '../src/base/index.ts'
import { eventually } from '../src/base/test-eventually.ts'
import { type EngineProfile, OpenAiEngine } from '../src/engine/index.ts'

const dir = process.env.GRISTMILL_TEST_ENGINES ?? ''
const skip = dir === '' && 'GRISTMILL_TEST_ENGINES is not set'
/** Far more than is written before the request is stopped. */
const LONG = 1500

interface Rig {
  engine: OpenAiEngine
  profile: EngineProfile
  url: string
}

async function on(
  program: Promise<{ url: string; stop(): Promise<void> }>,
  run: (rig: Rig) => Promise<void>,
): Promise<void> {
  const { url, stop } = await program
  const engine = new OpenAiEngine({
    id: 'eng_1',
    name: 'one',
    url,
    keys: [],
    service: null,
    capOverride: null,
    modelsFilter: null,
    clock: systemClock,
    random: systemRandom,
    limits: {
      engineFirstByteMsMax: limitTable.engineFirstByteMsMax.default,
      engineIdleMsMax: limitTable.engineIdleMsMax.default,
      engineAnswerMsMax: limitTable.engineAnswerMsMax.default,
      answerBytesMax: limitTable.answerBytesMax.default,
    },
  })
  try {
    await run({ engine, url, profile: await engine.probe(AbortSignal.timeout(20_000)) })
  } finally {
    await engine.close()
    await stop()
  }
}

/** Sends a completion; resolves with its text at its end, or rejects. */
function complete(
  { engine }: Rig,
  fields: object,
  onData: (stop: () => void) => void = () => undefined,
): Promise<string> {
  const body = JSON.stringify({ model: 'smollm2', prompt: 'Once upon a time', ...fields })
  return new Promise((resolve, reject) => {
    let text = ''
    const call = engine.dispatch(
      { requestId: 'run_1', path: '/v1/completions', body, stream: true },
      {
        head: () => undefined,
        data(chunk) {
          text += Buffer.from(chunk).toString()
          onData(() => call.abort())
          return true
        },
        end: () => resolve(text),
        fail: reject,
      },
    )
  })
}

async function metric({ url }: Rig, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith(name) && !line.startsWith('#'))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** A request that is stopped while it runs ends inside the engine too, long before its length. */
async function stopsWhenStopped(rig: Rig, written: string): Promise<void> {
  const running = async () => (await rig.engine.load(AbortSignal.timeout(5000)))?.running
  const before = await metric(rig, written)
  const stopped = Promise.withResolvers<() => void>()
  const call = complete(rig, { max_tokens: LONG, ignore_eos: true, stream: true }, stopped.resolve)
  const stop = await stopped.promise
  assert.equal(await running(), 1)
  stop()
  await assert.rejects(call)
  while ((await running()) !== 0) await systemClock.sleep(100)
  assert.ok((await metric(rig, written)) - before < LONG / 2)
}

const triedOut = ({ engine }: Rig, found: (profile: EngineProfile) => unknown) =>
  eventually('it was tried out', async () => {
    const profile = await engine.probe(AbortSignal.timeout(5000))
    return found(profile) ? profile : undefined
  })

describe('engines of others', { skip }, () => {
  test("llama.cpp's server tells its slots and load, keeps no prompts, stops", () =>
    on(startLlama(dir), async (rig) => {
      const { kind, cap, express, takesCacheOff, tellsLoad } = rig.profile
      assert.deepEqual([kind, cap, express], ['llama.cpp', 7, 1])
      assert.deepEqual([takesCacheOff, tellsLoad], [true, true])
      const { promptSlots, advice } = await triedOut(rig, (profile) => profile.advice)
      assert.equal(promptSlots, undefined)
      assert.match(advice ?? '', /--cache-ram 0/)
      await stopsWhenStopped(rig, 'llamacpp:tokens_predicted_total')
      const prompt = 'The miller and the baker met at the bridge. '.repeat(8)
      const cached = async (fields: object) => {
        const text = await complete(rig, { prompt, max_tokens: 2, ...fields })
        return (JSON.parse(text) as Answer).usage.prompt_tokens_details?.cached_tokens
      }
      await cached({ cache_prompt: true })
      assert.ok(((await cached({ cache_prompt: true })) ?? 0) > 0)
      assert.equal(await cached({ cache_prompt: false }), 0)
    }))

  test("llama.cpp's server without its cache in memory keeps prompts apart by slot", () =>
    on(startLlama(dir, ['--cache-ram', '0']), async (rig) => {
      const { advice } = await triedOut(rig, ({ promptSlots }) => promptSlots === 8)
      assert.equal(advice, null)
      const prompt = 'The miller and the baker met at the bridge. '.repeat(8)
      const cached = async (slot: number, keeps = true) => {
        const fields = { prompt, max_tokens: 2, id_slot: slot, cache_prompt: keeps }
        const text = await complete(rig, fields)
        return (JSON.parse(text) as Answer).usage.prompt_tokens_details?.cached_tokens ?? 0
      }
      assert.equal(await cached(5), 0)
      assert.ok((await cached(5)) > 0)
      assert.equal(await cached(6), 0)
      assert.equal(await cached(6, false), 0)
      assert.ok((await cached(5)) > 0)
    }))

  test('vLLM tells its load, takes ranks, keeps prompts apart by salt, stops', () =>
    on(startVllm(dir, 'vllm-priority.yaml'), async (rig) => {
      const { kind, cap, express, takesPriority, takesCacheSalt, tellsLoad, advice } = rig.profile
      assert.deepEqual([kind, cap, express], ['vllm', 16, 2])
      assert.deepEqual([takesPriority, takesCacheSalt, tellsLoad], [true, true, true])
      assert.equal(advice, null)
      await stopsWhenStopped(rig, 'vllm:generation_tokens_total')
      const prompt = 'The miller and the baker met at the bridge. '.repeat(40)
      const hits = async (salt: string) => {
        const before = await metric(rig, 'vllm:prefix_cache_hits_total')
        await complete(rig, { prompt, max_tokens: 2, cache_salt: salt, priority: 3 })
        return (await metric(rig, 'vllm:prefix_cache_hits_total')) - before
      }
      await hits('one')
      assert.ok((await hits('one')) > 0)
      assert.equal(await hits('two'), 0)
    }))
})

interface Answer {
  usage: { prompt_tokens_details?: { cached_tokens?: number } }
}
