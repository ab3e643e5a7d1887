/** Whether the picture is live, and since when it is not. */
import { useEffect, useState } from 'react'
import { type FeedState, retryLive, useCalmFeed } from '../api/live.ts'
import { clockTime, duration } from '../units.ts'

export function FeedPill() {
  const { state } = useCalmFeed()
  const look =
    'inline-flex items-center gap-2 rounded-full border px-3 py-1 text-[0.82rem] font-medium whitespace-nowrap bg-surface'
  if (state.kind === 'live') {
    return (
      <span role="status" className={look} title="Pushed by the server four times a second">
        <i aria-hidden className="size-[7px] rounded-full bg-good" /> Live
      </span>
    )
  }
  if (state.kind === 'connecting') {
    return (
      <span role="status" className={`${look} text-soft`}>
        <i aria-hidden className="size-[7px] rounded-full border border-edge" /> Connecting
      </span>
    )
  }
  return (
    <span role="status" className={`${look} border-bad/50 text-bad`}>
      <i aria-hidden className="size-[7px] rounded-[2px] bg-bad" />
      Disconnected since {clockTime(state.sinceMs)}
      <Retry state={state} />
    </span>
  )
}

function Retry({ state }: { state: Extract<FeedState, { kind: 'lost' }> }) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  if (state.retryAtMs === null) return <span className="text-soft">trying</span>
  const inMs = Math.max(1000, Math.ceil((state.retryAtMs - now) / 1000) * 1000)
  return (
    <button
      type="button"
      onClick={retryLive}
      title={`It tries again by itself in ${duration(inMs)}`}
      className="text-ink underline underline-offset-2"
    >
      try now
    </button>
  )
}
