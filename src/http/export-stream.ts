/** Exports as streams: few at once, because each reads much, and none for ever. */
import { GristmillError } from '../base/index.ts'
import type { HttpOptions } from './services.ts'

const EXPORTS_MAX = 2
const EXPORT_MS_MAX = 120_000

/** @returns what turns pieces into a body @throws GristmillError `not_ready` */
export function exporter({ clock }: Pick<HttpOptions, 'clock'>) {
  let running = 0
  const encoder = new TextEncoder()
  return (pieces: AsyncGenerator<string | Uint8Array>): ReadableStream<Uint8Array> => {
    if (running >= EXPORTS_MAX) {
      const reason = `${EXPORTS_MAX} exports are running`
      throw new GristmillError('not_ready', { reason }, { retryAfterMs: 5000 })
    }
    running++
    return ReadableStream.from(bounded())

    async function* bounded() {
      const endMs = clock.monotonicMs() + EXPORT_MS_MAX
      try {
        for await (const piece of pieces) {
          yield typeof piece === 'string' ? encoder.encode(piece) : piece
          if (clock.monotonicMs() > endMs) throw new Error('the export took too long')
        }
      } finally {
        running--
      }
    }
  }
}
