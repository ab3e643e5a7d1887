/** What the driver tells of a step that has ended. */
export interface StepReport {
  durationMs: number
  decoded: number
  /** Sequences that its pass computed, idle ones that came along as well. */
  sequences: number
  /** Pieces of prompts that it read, and their tokens. */
  pieces: number
  readTokens: number
  threads: number
  /** Sequences that were moved before it. */
  moves: number
}
