/** p99 of the time to first token: for each tenant a bar for each arrangement, and the promise. */
import { useMemo } from 'react'
import uPlot from 'uplot'
import { Plot } from '../parts/plot.tsx'
import { hatch, type Ink, readInk, timeAxis, valueAxis } from '../parts/plot-looks.ts'
import { useTheme } from '../shell/theme.ts'
import { duration } from '../units.ts'

interface TailsChartProps {
  names: readonly string[]
  /** By tenant and arrangement; null where there is none. */
  tails: readonly (readonly (number | null)[])[]
  promiseMs: number
}

/** Places on the axis of a tenant: one for each arrangement, and one that stays free. */
const PLACES = 4

export default function TailsChart({ names, tails, promiseMs }: TailsChartProps) {
  const { isDark } = useTheme()
  const key = JSON.stringify([names, tails, promiseMs])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is all of them
  const options = useMemo(() => looks(readInk(isDark), names), [isDark, key])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is all of them
  const data = useMemo(() => {
    const places = Array.from({ length: names.length * PLACES + 1 }, (_, at) => at)
    const bars = [0, 1, 2].map((arrangement) =>
      places.map((place) =>
        place % PLACES === arrangement + 1
          ? (tails[Math.floor(place / PLACES)]?.[arrangement] ?? null)
          : null,
      ),
    )
    return [places, ...bars, places.map(() => promiseMs)] as uPlot.AlignedData
  }, [key])
  return (
    <Plot
      options={options}
      data={data}
      description="p99 of the time to first token of every tenant with own engines, in the pool, and in the pool with batch, against the promise; the table below has the figures."
    />
  )
}

function looks(ink: Ink, names: readonly string[]): Omit<uPlot.Options, 'width' | 'height'> {
  const bars = uPlot.paths.bars?.({ size: [0.9, 34], align: 0 })
  const bar = (label: string, fill: string | CanvasPattern, stroke: string): uPlot.Series => ({
    label,
    fill: () => fill as string,
    stroke,
    width: 1,
    ...(bars && { paths: bars }),
    points: { show: false },
  })
  const [grain] = ink.grains
  return {
    padding: [8, 2, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: [0, names.length * PLACES] },
      y: { range: (_, __, max) => [0, Math.max(10, max * 1.08)] },
    },
    axes: [
      {
        ...timeAxis(ink, (_, places) => places.map((place) => shortened(names, place))),
        splits: names.map((_, at) => at * PLACES + 2),
      },
      { ...valueAxis(ink, (_, values) => values.map(duration)), size: 52 },
    ],
    series: [
      {},
      bar('own engines', ink.soft, ink.soft),
      bar('pool', grain, grain),
      bar('pool with batch', hatch(grain, ink.surface), grain),
      { label: 'promise', stroke: ink.ink, width: 1.2, dash: [5, 4], points: { show: false } },
    ],
  }
}

const NAME_LENGTH_MAX = 12

/** Names give way where many stand side by side; the table has them whole. */
function shortened(names: readonly string[], place: number): string {
  const name = names[Math.floor(place / PLACES)] ?? ''
  const most = names.length > 8 ? NAME_LENGTH_MAX / 2 : NAME_LENGTH_MAX
  return name.length > most ? `${name.slice(0, most - 1)}…` : name
}
