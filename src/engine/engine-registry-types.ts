/** What the list of engines is given, and what it tells. */
import type { Clock, Limits, Logger, Random } from '../base/index.ts'
import type { Database } from '../store/index.ts'
import type { Resolve } from './replica-set.ts'
import type { Engine, EngineLoad, EngineProfile, EngineState, RateNews } from './types.ts'

export interface EngineRegistryOptions {
  database: Pick<Database, 'sql' | 'transaction'>
  clock: Clock
  random: Random
  logger: Logger
  limits: Limits
  /** Finds the addresses of engines that are replicas; the system's way where absent. */
  resolve?: Resolve
  /** 32 bytes; keys of engines are encrypted with it. */
  secretKey: Uint8Array
  /** Those that may have encrypted what is stored. */
  earlierSecretKeys?: readonly Uint8Array[]
  /** Makes another one; absent where it is not ours to make. */
  renewSecretKey?: (() => { secret: Uint8Array; commit(): void }) | undefined
}

/** A key of an engine as people may see it. */
export interface EngineKeyView {
  id: string
  fingerprint: string
  createdAt: Date
  /** Why it is not used at the moment; null where it is. */
  rest: 'refused' | 'limited' | null
}

/** What was added under one name, of which an engine is one replica. */
export interface EngineEntry {
  id: string
  name: string
}

export interface EngineListener {
  changed(engine: Engine, profile: EngineProfile, state: EngineState, reason: string): void
  /** It left; one of the same id may come, such as a replica at another address. */
  removed(engineId: string): void
  /** It, or all replicas of this name, will not come back. */
  forgotten?(entryId: string): void
  /** What an engine tells of its load, about once a second where it tells any. */
  loaded?(engineId: string, load: EngineLoad): void
  /** What a rented service says about its limits, with every answer. */
  rated?(engineId: string, news: RateNews): void
}
