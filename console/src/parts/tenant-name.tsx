/** A tenant's swatch and name. */
import { hueStyle } from '../hues.ts'

export function Swatch({ hue }: { hue: number }) {
  return (
    <i
      aria-hidden
      style={hueStyle(hue)}
      className="tenant inline-block size-[9px] shrink-0 rounded-[3px] bg-tenant"
    />
  )
}

export function TenantName({ name, hue }: { name: string; hue: number }) {
  return (
    <span className="inline-flex min-w-0 max-w-full items-center gap-2 align-bottom">
      <Swatch hue={hue} />
      <span className="truncate">{name}</span>
    </span>
  )
}
