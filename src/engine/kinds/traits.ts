/**
 * What is found out about an engine when it is connected to, and what is assumed where it does not
 * tell. What each program tells lives in the files beside this one.
 */
import type { EngineLoad, EngineProfile } from '../types.ts'
import type { ListedModel } from './model-list.ts'

/** What does not change while an engine runs; its models may. */
export type Traits = Omit<EngineProfile, 'models'> & {
  /** Context of every model that does not tell its own, tokens. */
  contextTokens: number | null
}

/** Asks an engine while it is found out what it is. */
export interface Asker {
  /** The page as JSON; undefined where there is none or it is something else. */
  page(path: string): Promise<unknown>
  /** Status of the answer to a request. */
  statusOf(path: string, body: object): Promise<number>
  /** Its load, read as this kind of engine tells it; null where it tells nothing. */
  load(kind: EngineProfile['kind']): Promise<EngineLoad | null>
}

/** @returns null where the engine is another program */
export type Detect = (asker: Asker, models: readonly ListedModel[]) => Promise<Traits | null>

/** Where an engine does not say how many sequences it runs. */
export const CAP_UNKNOWN = 4
/**
 * Engines that batch continuously take far more than this; the number keeps their queue, which is
 * out of our reach, empty.
 */
export const CAP_BATCHING = 16

const own = {
  express: 0,
  spare: 0,
  capacityUnitsPerS: null,
  tokenGapMs: null,
  takesPriority: false,
  takesCacheSalt: false,
  takesCacheOff: false,
  yieldsBySteps: false,
  tellsLoad: false,
  advice: null,
}

export const plain = { ...own, contextTokens: null }

/** Of an engine that has never answered. */
export const unknownProfile: EngineProfile = {
  ...own,
  kind: 'openai',
  version: null,
  models: [],
  cap: 1,
  capReason: 'The engine has not answered yet.',
  capMost: 1,
}

export const expressFor = (cap: number) => Math.max(1, Math.ceil(cap / 8))

/** Programs that make room for express sequences beside whatever runs. */
const MAKES_ROOM = new Set<EngineProfile['kind']>(['vllm', 'sglang', 'tgi'])

/**
 * Express sequences of an engine that runs with another cap than it was found with: some make room
 * for them, llama.cpp's server has only its slots, others have what they were started with.
 */
export function expressBeside(
  cap: number,
  { kind, capMost, express }: Pick<EngineProfile, 'kind' | 'capMost' | 'express'>,
): number {
  if (MAKES_ROOM.has(kind)) return expressFor(cap)
  if (kind !== 'llama.cpp') return express
  return Math.max(0, Math.min(express, capMost + express - cap))
}

/** An operator's word bounds the cap from above; a suffering engine may still be given less. */
export function setByOperator(cap: number, told: Traits) {
  return {
    cap,
    capMost: cap,
    capReason: 'Set by an operator.',
    express: expressBeside(cap, told),
  }
}

/** Several pieces of advice as one; null where there is none. */
export function adviceOf(...pieces: readonly (string | false)[]): string | null {
  const given = pieces.filter((piece) => piece !== false)
  return given.length === 0 ? null : given.join(' ')
}

/** @param least such as `[0, 9]` or `[0, 5, 17]` */
export function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10) || 0)
  for (const [i, wanted] of least.entries()) {
    const part = parts[i] ?? 0
    if (part !== wanted) return part > wanted
  }
  return true
}
