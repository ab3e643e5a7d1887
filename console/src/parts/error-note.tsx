/** A failure in words: what happened, what to do, and the request id that finds the log line. */
import { ApiFailure } from '../api/client.ts'
import { Button } from './button.tsx'

export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const message = error instanceof Error ? error.message : String(error)
  const requestId = error instanceof ApiFailure ? error.requestId : undefined
  return (
    <div role="alert" className="rounded-lg border border-bad/45 px-3.5 py-2.5 text-[0.84rem]">
      <p>
        <span className="font-[580] text-bad">That did not work.</span> {message}
      </p>
      {requestId !== undefined && (
        <p className="mt-0.5 text-[0.75rem] text-soft">
          Request <code className="font-mono">{requestId}</code>
        </p>
      )}
      {onRetry !== undefined && (
        <Button className="mt-2" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  )
}
