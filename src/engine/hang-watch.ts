/**
 * Notices a process that runs and answers nobody, or only that it hangs, which supervision of its
 * end cannot see.
 */
import type { Clock, Timer } from '../base/index.ts'

export interface HangWatchOptions {
  /** Address of its health page; any answer counts but that it hangs. */
  healthUrl: string
  clock: Clock
  /** Identifies the running process; undefined while there is none. */
  pid: () => number | undefined
  /** Called once for each process of which nothing good was heard for `silentMsMax`. */
  onHang: (silentMs: number) => void
  periodMs?: number
  silentMsMax?: number
}

const PERIOD_MS = 5_000
const SILENT_MS_MAX = 30_000
/** `engine_failed`; one that still loads answers with another. */
const HANGS_STATUS = 502

/** @returns how to stop watching */
export function watchForHang(options: HangWatchOptions): Timer {
  const { clock, healthUrl, pid, onHang, periodMs = PERIOD_MS } = options
  const silentMsMax = options.silentMsMax ?? SILENT_MS_MAX
  let watched: number | undefined
  let heardAtMs = clock.monotonicMs()
  let isTold = false
  const hear = (status?: number) => {
    if (status !== HANGS_STATUS) heardAtMs = clock.monotonicMs()
  }
  return clock.every(periodMs, () => {
    const running = pid()
    if (running !== watched || running === undefined) {
      watched = running
      isTold = false
      return hear()
    }
    const enough = new AbortController()
    const late = clock.after(periodMs, () => enough.abort())
    // No answer is what is being watched for; the time since the last one is judged below.
    const answer = fetch(healthUrl, { signal: enough.signal }).then(
      ({ status }) => hear(status),
      () => undefined,
    )
    void answer.finally(() => late.cancel())
    const silentMs = clock.monotonicMs() - heardAtMs
    if (silentMs < silentMsMax || isTold) return
    isTold = true
    onHang(Math.round(silentMs))
  })
}
