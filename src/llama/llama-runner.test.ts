import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ControlledEvaluateInputItem, LlamaContextSequence, Token } from 'node-llama-cpp'
import { createLogger, MOVED_TOKENS_MAX } from '../base/index.ts'
import { LlamaRunner } from './llama-runner.ts'
import { type LoadedModel, loadModel, openSequences } from './loaded-model.ts'
import { FILLED_TOKENS_MAX, type Runner } from './runner.ts'
import { openStateFile } from './state-file.ts'
import { forcedRequest } from './sweep.ts'
import { writeToyModel } from './toy-model.ts'

const CONTEXT_TOKENS = 512
/** Sequences are moved where a file system is in memory. */
const inMemory = { skip: process.platform !== 'linux' }
const greedy = { ...forcedRequest([], 1, '').sampling, temperature: 0 }
const logger = createLogger('error', 'engine')
let loaded: LoadedModel
let runners: Runner[]
let tokensOf: (text: string) => Token[]
let close: () => Promise<void>

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'runner-'))
  const path = join(folder, 'toy.gguf')
  // Random weights: what follows depends on every token before it.
  await writeToyModel(path, { kind: 'random', seed: 1, contextTokens: CONTEXT_TOKENS })
  loaded = await loadModel(path, { name: undefined, gpu: 'off', logger })
  const sequences = await openSequences(loaded, {
    sequences: 4,
    contextTokens: CONTEXT_TOKENS,
    threads: { few: 1, all: 1 },
    batchTokens: 128,
    onSampler: () => {},
    logger,
  })
  runners = sequences.runners
  tokensOf = (text) => loaded.model.tokenize(text)
  close = async () => {
    await sequences.close()
    await loaded.model.dispose()
    await loaded.llama.dispose()
    await rm(folder, { recursive: true })
  }
})
after(() => close())

async function write(runner: Runner, tokens: Token[], count: number, along?: Runner) {
  const written = [(await runner.start(tokens, greedy)).token]
  while (written.length < count) {
    const [{ token }] = await Promise.all([runner.next(), along?.fill()])
    written.push(token)
  }
  await runner.finish()
  return written
}

test('what is computed along changes neither answers beside it nor what a sequence holds', async () => {
  const [one, idle] = runners as [Runner, Runner]
  const [prompt, other] = [tokensOf('the river turns the mill'), tokensOf('grain and stone')]
  const alone = await write(one, prompt, 20)
  await one.keep(0)
  const follows = await write(idle, other, 12)
  const held = idle.heldTokens()
  assert.equal(held, other.length + 11)

  assert.deepEqual(await write(one, prompt, 20, idle), alone)
  assert.equal(idle.filledTokens(), 19)
  assert.equal(idle.heldTokens(), held)
  assert.equal(await idle.keep(other.length - 1), other.length - 1)
  assert.equal(idle.filledTokens(), 0)
  assert.deepEqual(await write(idle, other.slice(-1), 12), follows)
})

test('only a sequence with room, and with few enough tokens, is computed along', async () => {
  const [, , idle] = runners as [Runner, Runner, Runner]
  assert.ok(idle.canFill(0), 'an empty one')
  await idle.fill()
  await idle.fill()
  assert.equal(idle.heldTokens(), 0)
  await idle.keep(0)
  const length = CONTEXT_TOKENS - FILLED_TOKENS_MAX - 2
  await idle.read(Array.from({ length }, (_, i) => (i % 50) as Token))
  assert.ok(idle.canFill(length))
  assert.ok(!idle.canFill(length - 1), 'a pass attends to as many positions as its longest')
  await idle.read([1 as Token])
  assert.ok(!idle.canFill(CONTEXT_TOKENS), 'no room for what is computed along')
})

test('however many tokens may be chosen, no whole vocabulary is fetched for probabilities', async () => {
  const fetched: unknown[] = []
  const sequence = {
    model: { tokenizer: {} },
    controlledEvaluate: async ([item]: ControlledEvaluateInputItem[]) => {
      const [, options] = item as [Token, { generateNext: { logits: { filter: object } } }]
      fetched.push(options.generateNext.logits.filter)
      return [{ next: { logits: new Map([[1, 0]]), totalLogitWeight: 1 } }]
    },
  }
  const options = { endTokens: new Set<Token>(), onSampler: () => {} }
  const runner = new LlamaRunner(sequence as unknown as LlamaContextSequence, 0, options)
  for (const topK of [0, 3, 40, 1_000_000])
    await runner.start([1 as Token], { ...greedy, topK, topLogprobs: 5 })
  const counts = [256, 5, 40, 256].map((includeTop) => ({ tokens: [], includeTop }))
  assert.deepEqual(fetched, counts)
})

test('a step is computed in the order of the sequences, whichever was asked first', async () => {
  const order: number[] = []
  const prompt = tokensOf('mill')
  const asked = [3, 0].map(async (index) => {
    const runner = runners[index] as Runner
    await runner.keep(0)
    await runner.start(prompt, greedy)
    order.push(index)
    await runner.finish()
  })
  await Promise.all(asked)
  assert.deepEqual(order, [0, 3])
})

test('the library computes with as many threads as it is told to use', async () => {
  const { llama, model } = loaded
  const used: number[] = []
  const create = model.createContext.bind(model)
  model.createContext = async (options) => {
    const context = await create(options)
    const { _ctx: native } = context as unknown as { _ctx: { setThreads(count: number): void } }
    Object.defineProperty(native, 'setThreads', {
      value: (count: number) => used.push(count),
      configurable: true,
    })
    return context
  }
  const sizes = { sequences: 1, contextTokens: CONTEXT_TOKENS, batchTokens: 128 }
  const sequences = await openSequences(loaded, {
    ...sizes,
    threads: { few: 1, all: 2 },
    onSampler: () => {},
    logger,
  })
  const [runner] = sequences.runners as [Runner]
  await runner.read(tokensOf('the river'))
  sequences.setThreads(1)
  await runner.read(tokensOf(' turns'))
  sequences.setThreads(2)
  await runner.read(tokensOf(' the mill'))
  const both = Math.min(2, llama.maxThreads)
  assert.deepEqual(used, [both, 1, both])
  await sequences.close()
  model.createContext = create
})

test('a generation goes on the same on another sequence', inMemory, async () => {
  const [one, two] = runners as [LlamaRunner, LlamaRunner]
  await Promise.all([one.keep(0), two.keep(0)])
  const prompt = tokensOf('the river turns the mill')
  const more = { ...greedy, frequencyPenalty: 1, tokensMin: 15 }
  for (const sampling of [greedy, more, { ...greedy, topLogprobs: 2 }]) {
    const alone = [(await one.start(prompt, sampling)).token]
    while (alone.length < 20) alone.push((await one.next()).token)
    await one.finish()
    await one.keep(0)

    const written = [(await one.start(prompt, sampling)).token]
    while (written.length < 8) written.push((await one.next()).token)
    await two.fill()
    assert.ok(one.canMove())
    assert.ok(await one.moveTo(two))
    assert.equal(two.heldTokens(), prompt.length + 7)
    while (written.length < 14) written.push((await two.next()).token)
    assert.ok(await two.moveTo(one))
    while (written.length < 20) written.push((await one.next()).token)
    assert.deepEqual(written, alone)
    await one.finish()
    await one.keep(0)
  }
})

test('a prompt that is read in part is read on at another sequence', inMemory, async () => {
  const [one, two] = runners as [LlamaRunner, LlamaRunner]
  await Promise.all([one.keep(0), two.keep(0)])
  const prompt = tokensOf('grain and stone and water')
  const alone = await write(one, prompt, 10)
  await one.keep(0)
  await two.fill()
  assert.ok(await one.moveTo(two), 'an empty one')
  assert.equal(two.heldTokens(), 0)
  await two.read(prompt.slice(0, 3))
  assert.ok(await two.moveTo(one))
  assert.deepEqual(await write(one, prompt.slice(3), 10), alone)
  assert.equal(one.commonPrefix(prompt), prompt.length)
})

test('chances go on elsewhere, unless the same ones are wanted again', inMemory, async () => {
  const [one, two] = runners as [LlamaRunner, LlamaRunner]
  await Promise.all([one.keep(0), two.keep(0)])
  const prompt = tokensOf('the river turns the mill')
  const hot = { ...greedy, temperature: 2, topK: 0 }
  await one.start(prompt, { ...hot, isSeeded: true })
  assert.ok(!one.canMove())
  await one.finish()
  await one.keep(0)
  const { token } = await one.start(prompt, hot)
  assert.ok(one.canMove())
  assert.ok(await one.moveTo(two))
  const follows = [token]
  while (follows.length < 12) follows.push((await two.next()).token)
  // The same chances again would make a token that is as likely everywhere come again.
  assert.ok(new Set(follows).size > 2)
  await two.finish()
  await two.keep(0)
  await two.read(Array.from({ length: MOVED_TOKENS_MAX + 1 }, (_, i) => (i % 50) as Token))
  assert.ok(!two.canMove(), 'too much to copy')
  await two.keep(MOVED_TOKENS_MAX)
  assert.ok(two.canMove())
  await two.keep(0)
})

test('nothing is to be moved once that has failed', inMemory, () => {
  const stateFile = openStateFile(() => {})
  const sequence = { nextTokenIndex: 0, model: {} } as unknown as LlamaContextSequence
  const options = { endTokens: new Set<Token>(), onSampler: () => {}, stateFile }
  const runner = new LlamaRunner(sequence, 0, options)
  assert.ok(runner.canMove())
  stateFile?.giveUp(new Error('no space left'))
  assert.ok(!runner.canMove())
  stateFile?.close()
})
