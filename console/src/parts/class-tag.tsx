/** A service class: a shade or a pattern, never a hue. */
import type { ServiceClassName } from '../api/contract.ts'

const looks: Record<ServiceClassName, string> = {
  priority: 'border-edge bg-sunk font-semibold text-ink',
  standard: 'text-ink',
  flex: 'border-dashed border-edge text-soft',
  batch: 'text-ink',
}

const meanings: Record<ServiceClassName, string> = {
  priority: 'First up to its tenant’s share of the pool, then like standard',
  standard: 'Interactive: by share, first tokens within the promise',
  flex: 'Background: may wait, runs before batch',
  batch: 'Background: fills what others leave free',
}

export function ClassTag({ name }: { name: ServiceClassName }) {
  return (
    <span
      title={meanings[name]}
      className={`inline-block rounded-[5px] border px-1.5 text-[0.72rem] leading-[1.15rem] ${looks[name]}`}
    >
      {name === 'batch' && (
        <i aria-hidden className="hatched mr-1 inline-block size-2 rounded-[2px] border" />
      )}
      {name}
    </span>
  )
}
