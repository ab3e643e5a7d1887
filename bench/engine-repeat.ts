/** How often the same request with the same seed gives the same text, alone and under load. */
import { type ArmOptions, engineArm } from './engine-arms.ts'
import { streamTokens } from './engine-client.ts'

export interface RepeatResult {
  /** Share of repeated answers that equal the first one of the same request. */
  greedyAlone: number
  greedyLoaded: number
  seededAlone: number
  seededLoaded: number
  /** Repetitions behind each share. */
  answers: number
}

const QUESTIONS = 10
const NEIGHBOURS = 7
const TOKENS = 64

/** Asks every question twice alone and once beside seven others that come and go. */
export async function measureRepeat(
  options: ArmOptions,
  log: (text: string) => void,
): Promise<RepeatResult> {
  const arm = await engineArm(options)
  try {
    const ask = async (question: number, temperature: number, salt: string) => {
      const prompt = `Question ${question}: what does the miller say about number ${question * 7}?`
      const body = { prompt, temperature, seed: question, cache_salt: salt, max_tokens: TOKENS }
      return (await streamTokens(arm.url, { ...body, ignore_eos: true })).text
    }
    const shares = async (temperature: number) => {
      let alone = 0
      let loaded = 0
      for (let q = 0; q < QUESTIONS; q++) {
        const first = await ask(q, temperature, `first-${q}-${temperature}`)
        if ((await ask(q, temperature, `second-${q}-${temperature}`)) === first) alone++
        const neighbours = Array.from({ length: NEIGHBOURS }, (_, i) =>
          ask(1000 + q * NEIGHBOURS + i, 1, `neighbour-${q}-${i}-${temperature}`),
        )
        if ((await ask(q, temperature, `third-${q}-${temperature}`)) === first) loaded++
        await Promise.all(neighbours)
      }
      log(`temperature ${temperature}: ${alone} and ${loaded} of ${QUESTIONS} the same`)
      return { alone: alone / QUESTIONS, loaded: loaded / QUESTIONS }
    }
    const greedy = await shares(0)
    const seeded = await shares(1)
    return {
      greedyAlone: greedy.alone,
      greedyLoaded: greedy.loaded,
      seededAlone: seeded.alone,
      seededLoaded: seeded.loaded,
      answers: QUESTIONS,
    }
  } finally {
    await arm.stop()
  }
}
