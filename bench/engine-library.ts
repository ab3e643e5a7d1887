/** Bare node-llama-cpp in lockstep: the yardstick of `bench engine`. One JSON line in, one out. */
import { createInterface } from 'node:readline'
import { getLlama, type LlamaContextSequence, type LlamaModel } from 'node-llama-cpp'
import { systemClock } from '../src/base/index.ts'
import type { ArmOptions } from './engine-arms.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as ArmOptions
const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false })
const model = await llama.loadModel({ modelPath: options.model })
const context = await model.createContext({
  sequences: options.slots,
  contextSize: options.contextTokens,
  batchSize: 512 + options.slots,
  flashAttention: 'auto',
  threads: { ideal: options.threads, min: options.threads },
})
const sequences = Array.from({ length: options.slots }, () => context.getSequence())
process.stdout.write('{"ready":true}\n')
process.stdin.on('close', () => process.exit(0))
for await (const line of createInterface({ input: process.stdin })) {
  const { prompts, tokens } = JSON.parse(line) as { prompts: string[]; tokens: number }
  const tokensPerS = await round(model, sequences, prompts, tokens)
  process.stdout.write(`${JSON.stringify({ tokensPerS })}\n`)
  globalThis.gc?.()
}

/** Every stream takes its next step together with all others. */
async function round(
  model: LlamaModel,
  sequences: LlamaContextSequence[],
  prompts: string[],
  tokens: number,
): Promise<number> {
  const startMs = systemClock.monotonicMs()
  const streams = await Promise.all(
    prompts.map(async (prompt, i) => {
      const sequence = sequences[i] as LlamaContextSequence
      await sequence.clearHistory()
      return sequence.evaluate(model.tokenize(prompt), { temperature: 0, yieldEogToken: true })
    }),
  )
  for (let step = 0; step < tokens; step++) await Promise.all(streams.map((one) => one.next()))
  const elapsedS = (systemClock.monotonicMs() - startMs) / 1000
  for (const stream of streams) await stream.return()
  return (prompts.length * tokens) / elapsedS
}
