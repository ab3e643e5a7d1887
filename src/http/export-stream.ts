/** Exports as streams: few at once, because each reads much, and none for ever. */
import { GristmillError } from '../base/index.ts'
import type { HttpOptions } from './services.ts'

const EXPORTS_MAX = 2
const EXPORT_MS_MAX = 120_000

/** @returns what turns pieces into a body @throws GristmillError `not_ready` */
export function exporter({ clock }: Pick<HttpOptions, 'clock'>) {
  const running = new Set<AsyncGenerator<string | Uint8Array>>()
  const encoder = new TextEncoder()
  return (pieces: AsyncGenerator<string | Uint8Array>): ReadableStream<Uint8Array> => {
    if (running.size >= EXPORTS_MAX) {
      const reason = `${EXPORTS_MAX} exports are running`
      throw new GristmillError('not_ready', { reason }, { retryAfterMs: 5000 })
    }
    running.add(pieces)
    let fail: ((error: Error) => void) | undefined
    // Nobody may ever read it, as after HEAD, or read it on.
    const late = clock.after(EXPORT_MS_MAX, () => {
      fail?.(new Error('the export took too long'))
      end()
    })
    const end = () => {
      late.cancel()
      if (!running.delete(pieces)) return
      // It may be in the middle of a piece, and ends after that.
      pieces.return(undefined).catch(() => undefined)
    }
    return new ReadableStream(
      {
        start: (controller) => {
          fail = (error) => controller.error(error)
        },
        async pull(controller) {
          const piece = await pieces.next().catch((error: unknown) => {
            end()
            throw error
          })
          if (!running.has(pieces)) return
          if (piece.done) {
            end()
            controller.close()
          } else {
            const { value } = piece
            controller.enqueue(typeof value === 'string' ? encoder.encode(value) : value)
          }
        },
        cancel: end,
      },
      { highWaterMark: 0 },
    )
  }
}
