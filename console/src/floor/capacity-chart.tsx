/** Where the capacity of the last quarter of an hour went, with the line of what there was. */
import { useMemo } from 'react'
import type uPlot from 'uplot'
import type { FloorView } from '../api/contract.ts'
import { Plot } from '../parts/plot.tsx'
import { hatch, type Ink, readInk, stacked, timeAxis, valueAxis } from '../parts/plot-looks.ts'
import { useTheme } from '../shell/theme.ts'
import { axisNumber, clockTime, percent } from '../units.ts'

interface CapacityChartProps {
  history: FloorView['history']
  capacityUnitsPerS: number | null
}

export default function CapacityChart({ history, capacityUnitsPerS }: CapacityChartProps) {
  const { isDark } = useTheme()
  const options = useMemo(
    () => looks(readInk(isDark), capacityUnitsPerS),
    [isDark, capacityUnitsPerS],
  )
  const { endAtMs, stepS, interactive, flex, batch, waste } = history
  // One push in twenty brings a new point; the rest must cost nothing.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the end names the whole history
  const data = useMemo(() => {
    const last = interactive.length - 1
    const times = interactive.map((_, at) => endAtMs / 1000 - (last - at) * stepS)
    const sums = stacked([interactive, flex, batch, waste])
    const line = times.map(() => capacityUnitsPerS)
    return [times, ...[...sums].reverse(), line] as uPlot.AlignedData
  }, [endAtMs, capacityUnitsPerS])
  return (
    <Plot
      options={options}
      data={data}
      description="Service per second over the last 15 minutes, stacked by interactive, flex, batch and wasted work, below the calibrated capacity."
    />
  )
}

/** Drawn from the top of the stack down, each area covering the ones above it. */
function looks(ink: Ink, capacity: number | null): Omit<uPlot.Options, 'width' | 'height'> {
  const area = (label: string, fill: string | CanvasPattern): uPlot.Series => ({
    label,
    fill: () => fill as string,
    width: 0,
    points: { show: false },
  })
  const [interactive, flex, batch] = ink.grains
  return {
    // Half of the last time stands beyond the end, where no axis leaves room for it.
    padding: [8, capacity ? 2 : 20, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true },
      y: { range: (_, __, max) => [0, Math.max(10, max * 1.08)] },
      ...(capacity && { part: { from: 'y', range: (_, __, max) => [0, max / capacity] } }),
    },
    axes: [
      timeAxis(ink, (_, times) => times.map((time) => clockTime(time * 1000).slice(0, 5))),
      valueAxis(ink, (_, values) => values.map(axisNumber)),
      ...(capacity ? [partAxis(ink)] : []),
    ],
    series: [
      {},
      area('wasted', ink.bad),
      area('batch', hatch(batch, ink.surface)),
      area('flex', flex),
      area('interactive', interactive),
      {
        label: 'capacity',
        stroke: ink.ink,
        width: 1.2,
        dash: [5, 4],
        points: { show: false },
      },
    ],
  }
}

/** The same as a part of capacity: where all of it kept its promise, that is utilisation. */
const partAxis = (ink: Ink): uPlot.Axis => ({
  ...valueAxis(ink, (_, parts) => parts.map((part) => percent(part))),
  scale: 'part',
  side: 1,
  grid: { show: false },
  size: 44,
})
