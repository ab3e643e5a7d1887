/** Progress of something that takes a while, on standard error. */
import type { Clock } from '../base/index.ts'
import type { Progress } from '../host/index.ts'
import { printable, type Terminal } from './terminal.ts'
import { bytes } from './units.ts'

const BAR_CELLS = 24
/** Steps between lines where each line stays. */
const STEPS = 10

/**
 * A function that shows how far a download is: a bar that moves on a terminal, elsewhere a line
 * at every tenth.
 * @param title what is fetched
 */
export function progressLine(
  terminal: Terminal,
  title: string,
): (progress: Pick<Progress, 'receivedBytes' | 'totalBytes'>) => void {
  let shown = -1
  return ({ receivedBytes, totalBytes }) => {
    const share = totalBytes === undefined || totalBytes === 0 ? 0 : receivedBytes / totalBytes
    const step = Math.floor(share * (terminal.isTerminal ? 200 : STEPS))
    if (step === shown) return
    shown = step
    const total = totalBytes === undefined ? '' : ` of ${bytes(totalBytes)}`
    terminal.status(
      `${title} ${progressBar(share)} ${Math.round(share * 100)} % (${bytes(receivedBytes)}${total})`,
    )
  }
}

/** @param share what is done, between 0 and 1 */
export function progressBar(share: number): string {
  const full = Math.round(share * BAR_CELLS)
  return '█'.repeat(full) + '░'.repeat(BAR_CELLS - full)
}

/** Time between lines about the same thing where lines stay. */
const SAME_AGAIN_MS = 3000

/**
 * A function that shows messages such as `Fetching …: 12 of 98 MB`. One that goes on about what
 * stands before the colon replaces the one before on a terminal and is thinned out elsewhere.
 */
export function progressMessages(terminal: Terminal, clock: Clock): (message: string) => void {
  let topic: string | undefined
  let shownMs = 0
  return (message) => {
    const about = /^(.*?): \d/.exec(message)?.[1]
    const isSame = about !== undefined && about === topic
    topic = about
    if (isSame && !terminal.isTerminal && clock.monotonicMs() - shownMs < SAME_AGAIN_MS) return
    shownMs = clock.monotonicMs()
    if (about === undefined) terminal.note(printable(message))
    else terminal.status(printable(message))
  }
}
