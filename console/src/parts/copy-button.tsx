/** Copies a text, and says that it did. */
import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'

export interface CopyButtonProps {
  text: string
  label: string
  /** Shown beside the icon; where absent, only the icon is. */
  caption?: string
}

export function CopyButton({ text, label, caption }: CopyButtonProps) {
  const [outcome, setOutcome] = useState<'copied' | 'failed' | null>(null)
  useEffect(() => {
    if (outcome === null) return
    const timer = setTimeout(() => setOutcome(null), 1600)
    return () => clearTimeout(timer)
  }, [outcome])
  const copy = async () => {
    try {
      // Browsers have no clipboard for pages that come by plain HTTP from another machine.
      await navigator.clipboard.writeText(text)
      setOutcome('copied')
    } catch {
      setOutcome('failed')
    }
  }
  const said = outcome === null ? '' : outcome === 'copied' ? 'Copied' : 'Copy by hand, please'
  return (
    <button
      type="button"
      onClick={() => void copy()}
      title={label}
      aria-label={label}
      className="inline-flex min-h-6 min-w-6 shrink-0 items-center justify-center gap-1.5 rounded-md text-soft hover:text-ink"
    >
      {outcome === 'copied' ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
      {(caption !== undefined || said !== '') && (
        <span className="text-[0.78rem]" aria-live="polite">
          {said || caption}
        </span>
      )}
    </button>
  )
}
