/** How every chart looks: axes, grid, stacked areas, hatching; colours are those of the theme. */
import type uPlot from 'uplot'

export interface Ink {
  ink: string
  soft: string
  line: string
  surface: string
  bad: string
  grains: [string, string, string]
}

/** The theme's colours as a canvas needs them; they must be read again when the theme changes. */
export function readInk(isDark: boolean): Ink {
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light'
  const style = getComputedStyle(document.documentElement)
  const read = (name: string) => style.getPropertyValue(name).trim()
  return {
    ink: read('--ink'),
    soft: read('--soft'),
    line: read('--line'),
    surface: read('--surface'),
    bad: read('--bad'),
    grains: [read('--grain-1'), read('--grain-2'), read('--grain-3')],
  }
}

const font = '11px "Inter Variable", system-ui, sans-serif'

export function timeAxis(ink: Ink, values?: uPlot.Axis.Values): uPlot.Axis {
  return {
    font,
    stroke: ink.soft,
    size: 26,
    gap: 6,
    space: 80,
    grid: { show: false },
    ticks: { show: false },
    ...(values === undefined ? {} : { values }),
  }
}

export function valueAxis(ink: Ink, values?: uPlot.Axis.Values): uPlot.Axis {
  return {
    font,
    stroke: ink.soft,
    size: 40,
    gap: 6,
    space: 44,
    grid: { stroke: ink.line, width: 1 },
    ticks: { show: false },
    ...(values === undefined ? {} : { values }),
  }
}

/** Sums up from the first row, so that each area ends where the next begins. */
export function stacked(rows: readonly (readonly number[])[]): number[][] {
  const sums: number[][] = []
  for (const row of rows) {
    const below = sums.at(-1)
    sums.push(row.map((value, at) => value + (below?.[at] ?? 0)))
  }
  return sums
}

/** A diagonal hatch for batch. */
export function hatch(colour: string, ground: string): CanvasPattern | string {
  const tile = document.createElement('canvas')
  const ratio = Math.max(1, Math.round(devicePixelRatio))
  const size = 8 * ratio
  tile.width = size
  tile.height = size
  const context = tile.getContext('2d')
  if (context === null) return colour
  // Opaque, so that what lies below in the stack does not shine through.
  context.fillStyle = ground
  context.fillRect(0, 0, size, size)
  context.globalAlpha = 0.3
  context.fillStyle = colour
  context.fillRect(0, 0, size, size)
  context.globalAlpha = 1
  context.strokeStyle = colour
  context.lineWidth = 2 * ratio
  for (const shift of [-size, 0, size]) {
    context.beginPath()
    context.moveTo(shift - ratio, size + ratio)
    context.lineTo(shift + size + ratio, -ratio)
    context.stroke()
  }
  return context.createPattern(tile, 'repeat') ?? colour
}
