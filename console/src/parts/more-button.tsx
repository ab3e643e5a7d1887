/** “and 88 more”: long lists begin short. */
export interface MoreButtonProps {
  total: number
  shown: number
  isOpen: boolean
  onToggle: (isOpen: boolean) => void
}

export function MoreButton({ total, shown, isOpen, onToggle }: MoreButtonProps) {
  if (total <= shown) return null
  return (
    <button
      type="button"
      aria-expanded={isOpen}
      onClick={() => onToggle(!isOpen)}
      className="mt-1.5 text-[0.8rem] text-accent underline-offset-2 hover:underline"
    >
      {isOpen ? `show the first ${shown} only` : `and ${total - shown} more`}
    </button>
  )
}
