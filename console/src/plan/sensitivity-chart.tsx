/** Engines over load: a line for tenants alone, one for the pool. */
import { useMemo } from 'react'
import type uPlot from 'uplot'
import type { PlanSensitivity } from '../api/contract.ts'
import { Plot } from '../parts/plot.tsx'
import { type Ink, readInk, timeAxis, valueAxis } from '../parts/plot-looks.ts'
import { useTheme } from '../shell/theme.ts'
import { axisNumber } from '../units.ts'

export default function SensitivityChart({ rows }: { rows: readonly PlanSensitivity[] }) {
  const { isDark } = useTheme()
  const key = JSON.stringify(rows)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is all rows
  const options = useMemo(() => looks(readInk(isDark), rows), [isDark, key])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is all rows
  const data = useMemo(
    () =>
      [
        rows.map((_, at) => at),
        rows.map(({ dedicatedEngines }) => dedicatedEngines),
        rows.map(({ pooledEngines }) => pooledEngines),
      ] as uPlot.AlignedData,
    [key],
  )
  return (
    <Plot
      options={options}
      data={data}
      description="Engines needed over the load: dashed for tenants with engines of their own, solid for one pool; the table beside it has the figures."
    />
  )
}

function looks(
  ink: Ink,
  rows: readonly PlanSensitivity[],
): Omit<uPlot.Options, 'width' | 'height'> {
  const line = (label: string, stroke: string, dash?: number[]): uPlot.Series => ({
    label,
    stroke,
    width: 2,
    ...(dash && { dash }),
    points: { show: true, size: 7, fill: stroke },
  })
  const least = 4
  return {
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: [-0.2, rows.length - 0.8] },
      y: { range: (_, __, max) => [0, Math.max(least, Math.ceil(max * 1.15))] },
    },
    axes: [
      {
        ...timeAxis(ink, (_, places) => places.map((place) => `× ${rows[place]?.load ?? ''}`)),
        splits: rows.map((_, at) => at),
      },
      { ...valueAxis(ink, (_, values) => values.map(axisNumber)), incrs: [1, 2, 5, 10, 50, 100] },
    ],
    series: [{}, line('own engines', ink.soft, [6, 4]), line('pool', ink.grains[0])],
  }
}
