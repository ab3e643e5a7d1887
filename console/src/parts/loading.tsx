/** The layout of a page whose data is on its way: it must not jump when that comes. */

export function Loading() {
  return (
    <div role="status" aria-label="Loading">
      <div className="mb-5 min-h-[3.4rem]">
        <div className="h-7 w-96 max-w-full rounded bg-sunk" />
        <div className="mt-2.5 h-4 w-64 max-w-full rounded bg-sunk/70" />
      </div>
      <div className="h-[26rem] rounded-card border bg-surface" />
    </div>
  )
}

/** Rows of a table that are on their way. */
export function LoadingRows({ rows = 5 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="grid gap-3.5 py-3">
      {Array.from({ length: rows }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: nothing but places
        <div key={at} className="h-4 rounded bg-sunk/70" />
      ))}
    </div>
  )
}
