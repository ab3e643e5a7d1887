/**
 * What our own engine tells of how long its steps take: those that read prompts, and those that
 * write, by the sequences that their pass computed. Others tell nothing of the kind.
 */
import type { GetPage } from './engine-signals.ts'
import { readSamples } from './metrics-text.ts'
import type { EngineProfile, StepTimes } from './types.ts'

const READ = {
  tokens: 'gristmill:read_tokens_total',
  pieces: 'gristmill:read_pieces_total',
  seconds: 'gristmill:read_seconds_total',
}
const ENOUGH = 'gristmill:enough_streams'
const PASSES = 'gristmill:passes_total'
const PASS_SECONDS = 'gristmill:pass_seconds_total'
const NAMES = new Set([...Object.values(READ), ENOUGH, PASSES, PASS_SECONDS])

/**
 * Asks an engine how long its steps have taken since it was started.
 * @returns null where it does not tell
 * @throws Error what `get` throws
 */
export async function readStepTimes(
  kind: EngineProfile['kind'],
  get: GetPage,
): Promise<StepTimes | null> {
  if (kind !== 'gristmill') return null
  const { status, text } = await get('/metrics')
  const samples = status === 200 ? readSamples(text, NAMES) : []
  const told = (name: string) => samples.find((sample) => sample.name === name)?.value
  const [tokens, pieces] = [told(READ.tokens), told(READ.pieces)]
  const [seconds, enough] = [told(READ.seconds), told(ENOUGH)]
  if (tokens === undefined || pieces === undefined || seconds === undefined) return null
  if (enough === undefined) return null
  const bySequences = (name: string) =>
    new Map(
      samples
        .filter((sample) => sample.name === name)
        .map(({ labels, value }) => [Number(/sequences="(\d+)"/.exec(labels)?.[1]), value]),
    )
  const secondsOf = bySequences(PASS_SECONDS)
  const passes = [...bySequences(PASSES)].flatMap(([sequences, count]) => {
    const passSeconds = secondsOf.get(sequences)
    return passSeconds === undefined ? [] : [{ sequences, count, seconds: passSeconds }]
  })
  return { read: { tokens, pieces, seconds }, passes, enough }
}

/** Of the steps between two answers; undefined where there is none, or another engine's. */
export function stepTimesBetween(
  before: StepTimes | null,
  after: StepTimes | null,
): StepTimes | undefined {
  if (before === null || after === null) return undefined
  const earlier = new Map(before.passes.map((one) => [one.sequences, one]))
  const passes = after.passes.map(({ sequences, count, seconds }) => ({
    sequences,
    count: count - (earlier.get(sequences)?.count ?? 0),
    seconds: seconds - (earlier.get(sequences)?.seconds ?? 0),
  }))
  const read = {
    tokens: after.read.tokens - before.read.tokens,
    pieces: after.read.pieces - before.read.pieces,
    seconds: after.read.seconds - before.read.seconds,
  }
  // One that was started anew counts from nothing.
  const isNew = read.tokens < 0 || passes.some(({ count }) => count < 0)
  if (isNew) return undefined
  return { read, passes: passes.filter(({ count }) => count > 0), enough: after.enough }
}
