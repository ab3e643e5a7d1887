/** The work of `bench utilisation`, drawn before anything runs: lengths, bursts, who asks when. */
import type { Random } from '../src/base/index.ts'
import { prompt } from './chat-load.ts'

/** One request to be sent. */
export interface Ask {
  content: string
  maxTokens: number
}

/** A request with its tenant and its time since the start of an arm. */
export interface Due extends Ask {
  tenant: number
  dueMs: number
}

/** What is known of the engine when arrivals are drawn. */
export interface Measured {
  /** Service units per second at its best. */
  capacityUnitsPerS: number
  unitsPerRequest: number
  /** Requests at once at its best. */
  knee: number
  /** First token and every further one at the knee, milliseconds. */
  firstTokenMs: number
  tokenGapMs: number
}

/** Forced lengths of answers; interactive and batch requests draw from the same mix. */
const OUTPUT_TOKENS = [8, 12, 16, 24, 32]
/** Part of the capacity that the interactive tenants ask for together. */
const INTERACTIVE_SHARE = 0.5
const BURST_MAX = 4
const BURST_STEP_MS = 25

/**
 * The text is the beginning of a sentence. After a bare question a model that was taught to chat
 * ends its turn, and an end token that it was made to go on from has no text: what a client sees
 * first would be the second token.
 */
export function drawAsk(random: Random): Ask {
  const below = (count: number) => Math.floor(random.next() * count)
  const content = prompt(random).replace('?', ', and then')
  return { content, maxTokens: OUTPUT_TOKENS[below(OUTPUT_TOKENS.length)] ?? 16 }
}

/**
 * Bursts of one to four requests at exponential intervals, more of the heavier tenants, about half
 * of the capacity together. A request for which the knee would have no place, were all of them
 * served at the pace of a full engine, comes when it has: nobody here asks for more than there is.
 */
export function drawArrivals(
  weights: readonly number[],
  measured: Measured,
  durationMs: number,
  random: Random,
): Due[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const perS = (INTERACTIVE_SHARE * measured.capacityUnitsPerS) / measured.unitsPerRequest
  const meanBurst = (1 + BURST_MAX) / 2
  const wished = weights.flatMap((weight, tenant) => {
    const meanGapMs = (1000 * meanBurst * total) / (weight * perS)
    return drawBursts(tenant, meanGapMs, durationMs, random)
  })
  return withinKnee(wished, measured).filter(({ dueMs }) => dueMs < durationMs)
}

function drawBursts(tenant: number, meanGapMs: number, durationMs: number, random: Random): Due[] {
  const due: Due[] = []
  for (let atMs = 0; ; ) {
    atMs += -Math.log(1 - random.next()) * meanGapMs
    if (atMs >= durationMs) return due
    const size = 1 + Math.floor(random.next() * BURST_MAX)
    for (let i = 0; i < size; i++) {
      due.push({ ...drawAsk(random), tenant, dueMs: atMs + i * BURST_STEP_MS })
    }
  }
}

function withinKnee(wished: readonly Due[], measured: Measured): Due[] {
  const { knee, firstTokenMs, tokenGapMs } = measured
  const ends: number[] = []
  return wished
    .toSorted((a, b) => a.dueMs - b.dueMs)
    .map((ask) => {
      let { dueMs } = ask
      while (ends.length >= knee) {
        const soonest = Math.min(...ends)
        ends.splice(ends.indexOf(soonest), 1)
        dueMs = Math.max(dueMs, soonest)
      }
      ends.push(dueMs + firstTokenMs + ask.maxTokens * tokenGapMs)
      for (let i = ends.length - 1; i >= 0; i--) if ((ends[i] ?? 0) <= dueMs) ends.splice(i, 1)
      return { ...ask, dueMs }
    })
}
