/** One hue per tenant, the same on every page and in every chart. */
import type { CSSProperties } from 'react'

/** Far apart for the first tenants, and clear of red, which means waste and failure. */
const chosen = [258, 56, 176, 318, 96, 288, 145, 222]
const GOLDEN_ANGLE = 137.508

/** @param index position in the palette, stable for a tenant's life. @returns degrees */
export function hueAngle(index: number): number {
  const first = chosen[index]
  if (first !== undefined) return first
  return 48 + ((index * GOLDEN_ANGLE) % 292)
}

/**
 * Sets the tenant's colour on an element of class `tenant`.
 * @param index below 0 stands for tenants whose names are not shown; they are grey
 */
export function hueStyle(index: number): CSSProperties {
  if (index < 0) return { '--hue': 80, '--hue-c': 0.01 } as CSSProperties
  return { '--hue': hueAngle(index) } as CSSProperties
}

/** For canvases, which know no custom properties. */
export function hueColour(index: number, isDark: boolean, alpha = 1): string {
  const [lightness, chroma] = isDark ? [0.74, 0.125] : [0.58, 0.135]
  if (index < 0) return `oklch(${lightness} 0.01 80 / ${alpha})`
  return `oklch(${lightness} ${chroma} ${hueAngle(index)} / ${alpha})`
}
