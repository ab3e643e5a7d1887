/** How long a request may take to arrive, where that is less than the server allows at most. */
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/index.ts'

/** Calls back once where the request has not arrived completely after `msMax`. */
export function boundArrival(
  request: IncomingMessage,
  clock: Clock,
  msMax: number,
  onLate: () => void,
): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  if (request.complete || (length === undefined && encoding === undefined)) return
  const timer = clock.after(msMax, () => {
    if (!request.complete) onLate()
  })
  request.once('close', () => timer.cancel())
}
