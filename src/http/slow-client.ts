/** Clients that do not read: what they leave of an answer that has ended is not kept for ever. */
import type { ServerResponse } from 'node:http'

/** Closes the connection where nothing of what is left of an answer is taken for so long. */
export function boundReading(response: ServerResponse, msMax: number): void {
  response.once('prefinish', () => {
    if (response.writableLength > 0) response.setTimeout(msMax, () => response.destroy())
  })
}
