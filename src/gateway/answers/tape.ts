/** An answer as one client got it, so that another can get the same. */
import type { ReplyHeaders } from '../reply.ts'

export interface Tape {
  status: number
  /** Names and values in turns; null until the answer has begun. */
  headers: ReplyHeaders | null
  /** True where it went out as events. */
  isStream: boolean
  /** Its bytes in order; an answer that is not streamed, or is kept, has them in one. */
  chunks: Buffer[]
  isComplete: boolean
}

export const newTape = (): Tape => ({
  status: 0,
  headers: null,
  isStream: false,
  chunks: [],
  isComplete: false,
})
