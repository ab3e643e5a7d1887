/**
 * What a long prompt of equal rank costs seven running streams, and what they cost it; and whether
 * seven of batch rank leave a prompt of a better rank its first token.
 */
import { seededRandom, systemClock } from '../src/base/index.ts'
import { type ArmOptions, engineArm } from './engine-arms.ts'
import { eventLoopDelayP99Ms, streamTokens } from './engine-client.ts'
import { median, percentile } from './quantiles.ts'

export interface PrefillResult {
  promptTokens: number
  /** Gaps between tokens of a stream without the prompt. */
  gapP50Ms: number
  /** The same while the prompt is read. */
  gapReadingP99Ms: number
  /** `gapReadingP99Ms` ÷ `gapP50Ms`. */
  gapRatio: number
  ttftAloneP50Ms: number
  ttftBesideP50Ms: number
  /** Median beside seven streams ÷ median alone. */
  ttftRatio: number
  /** A short prompt of a better rank, alone and beside seven streams of batch rank. */
  shortAloneP50Ms: number
  shortBesideBatchP50Ms: number
  shortRatio: number
  prompts: number
  gaps: number
  eventLoopDelayP99Ms: number
}

const STREAMS = 7
const PROMPT_TOKENS = 1800
const BATCH_RANK = 48
/** Tokens of a vocabulary that are words in all that are large enough to be of interest. */
const FIRST_WORD = 300
const WORDS = 20_000

/**
 * Runs with a context that holds the long prompt.
 * @param options.prompts of each kind, alone and again beside the streams
 */
export async function measurePrefill(
  options: ArmOptions & { prompts: number },
  log: (text: string) => void,
): Promise<PrefillResult> {
  const arm = await engineArm({ ...options, slots: STREAMS + 2, contextTokens: 4096 })
  try {
    const ask = (seed: number, tokens: number, priority = 0) =>
      streamTokens(arm.url, { ...prompt(seed, tokens), max_tokens: 1, priority })
    await ask(1, PROMPT_TOKENS)
    const { prompts } = options
    const askLong = (seed: number) => ask(100 + seed, PROMPT_TOKENS)
    const long = await measure(arm.url, askLong, { prompts, rank: 0 })
    log(`long prompt: ${JSON.stringify(long.ttftMs)} beside, ${JSON.stringify(long.aloneMs)} alone`)
    const delayMs = await eventLoopDelayP99Ms(arm.url)
    const askShort = (seed: number) => ask(200 + seed, 24)
    const short = await measure(arm.url, askShort, { prompts, rank: BATCH_RANK })
    const figures = {
      gapP50Ms: median(long.quietGapsMs),
      gapReadingP99Ms: percentile(long.readingGapsMs, 0.99),
      ttftAloneP50Ms: median(long.aloneMs),
      ttftBesideP50Ms: median(long.ttftMs),
      shortAloneP50Ms: median(short.aloneMs),
      shortBesideBatchP50Ms: median(short.ttftMs),
    }
    log(JSON.stringify(figures))
    return {
      promptTokens: PROMPT_TOKENS,
      ...figures,
      gapRatio: figures.gapReadingP99Ms / figures.gapP50Ms,
      ttftRatio: figures.ttftBesideP50Ms / figures.ttftAloneP50Ms,
      shortRatio: figures.shortBesideBatchP50Ms / figures.shortAloneP50Ms,
      prompts,
      gaps: long.readingGapsMs.length,
      eventLoopDelayP99Ms: delayMs,
    }
  } finally {
    await arm.stop()
  }
}

/** Asks alone and beside seven streams of rank `rank`, and sorts the gaps of those by occasion. */
async function measure(
  url: string,
  ask: (seed: number) => Promise<{ ttftMs: number }>,
  { prompts, rank }: { prompts: number; rank: number },
) {
  const aloneMs: number[] = []
  for (let i = 0; i < prompts; i++) aloneMs.push((await ask(i)).ttftMs)
  const ttftMs: number[] = []
  const readings: { fromMs: number; toMs: number }[] = []
  const client = new AbortController()
  const running = Array.from({ length: STREAMS }, (_, i) => keepStreaming(url, i, rank, client))
  for (let i = 0; i < prompts; i++) {
    await systemClock.sleep(1000)
    const fromMs = systemClock.monotonicMs()
    ttftMs.push((await ask(50 + i)).ttftMs)
    readings.push({ fromMs, toMs: systemClock.monotonicMs() })
  }
  client.abort()
  const streams = (await Promise.all(running)).flat()
  const gaps = streams.flatMap((eventsMs) =>
    eventsMs.slice(1).map((toMs, i) => ({ fromMs: eventsMs[i] ?? toMs, toMs })),
  )
  const during = (gap: { fromMs: number; toMs: number }) =>
    readings.some((reading) => gap.toMs > reading.fromMs && gap.fromMs < reading.toMs)
  const lengths = (part: typeof gaps) => part.map(({ fromMs, toMs }) => toMs - fromMs)
  return {
    aloneMs,
    ttftMs,
    readingGapsMs: lengths(gaps.filter(during)),
    quietGapsMs: lengths(gaps.filter((gap) => !during(gap))),
  }
}

/** One stream after the other until it is told to stop; the arrival times of each one's tokens. */
async function keepStreaming(
  url: string,
  index: number,
  priority: number,
  client: AbortController,
): Promise<number[][]> {
  const streams: number[][] = []
  for (let round = 0; !client.signal.aborted; round++) {
    const body = { ...prompt(9000 + index * 100 + round, 24), max_tokens: 250, priority }
    streams.push((await streamTokens(url, body)).eventsMs)
  }
  return streams
}

/** A prompt of `tokens` tokens that no other seed begins with. */
function prompt(seed: number, tokens: number): object {
  const random = seededRandom(seed)
  const any = () => FIRST_WORD + Math.floor(random.next() * WORDS)
  return {
    prompt: Array.from({ length: tokens }, any),
    cache_salt: `prefill-${seed}`,
    temperature: 0,
    ignore_eos: true,
  }
}
