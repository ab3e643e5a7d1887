/** Service by tenant over time, stacked bars in the tenants' hues. */
import { useMemo } from 'react'
import uPlot from 'uplot'
import { hueColour } from '../hues.ts'
import { Card } from '../parts/card.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Plot } from '../parts/plot.tsx'
import { readInk, stacked, timeAxis, valueAxis } from '../parts/plot-looks.ts'
import { Swatch } from '../parts/tenant-name.tsx'
import { useTheme } from '../shell/theme.ts'
import { axisNumber, moment } from '../units.ts'
import type { UsageSeries } from './usage-series.ts'

export interface UsageChartProps {
  series: UsageSeries | undefined
  tenantOf: (id: string) => { name: string; hue: number } | undefined
  error: unknown
  onRetry: () => void
}

const NAMED_MAX = 12
const ALL = 'all tenants, too many for a picture of each; choose one to see it alone'

export function UsageChart({ series, tenantOf, error, onRetry }: UsageChartProps) {
  const { isDark } = useTheme()
  const tenantAt = (id: string | null) => (id === null ? undefined : tenantOf(id))
  const hues = (series?.tenants ?? []).map(({ tenantId }) => tenantAt(tenantId)?.hue ?? -1)
  const key = hues.join()
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key names the hues
  const options = useMemo(() => looks(hues, isDark), [key, isDark])
  const data = useMemo(() => {
    const sums = stacked((series?.tenants ?? []).map(({ units }) => units))
    return [series?.times ?? [], ...sums.reverse()] as uPlot.AlignedData
  }, [series])
  const step = stepInWords(series?.stepHours ?? 1)
  return (
    <Card title="Service over time" note={`service units per ${step}, by tenant`}>
      <div className="relative h-[220px]">
        {series === undefined && error != null && <ErrorNote error={error} onRetry={onRetry} />}
        {series !== undefined && series.tenants.length > 0 && (
          <Plot
            options={options}
            data={data}
            description={`Service units per ${step} by tenant, from ${moment((series.times[0] ?? 0) * 1000)}.`}
          />
        )}
        {series?.tenants.length === 0 && (
          <p className="pt-16 text-center text-soft">Nothing was used in this span.</p>
        )}
      </div>
      <p className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-[0.75rem] text-soft">
        {series?.tenants.slice(0, NAMED_MAX).map(({ tenantId }) => {
          const tenant = tenantAt(tenantId)
          return (
            <span key={tenantId ?? ''} className="inline-flex items-center gap-1.5">
              <Swatch hue={tenant?.hue ?? -1} /> {tenant?.name ?? tenantId ?? ALL}
            </span>
          )
        })}
        {(series?.tenants.length ?? 0) > NAMED_MAX && (
          <span>and {(series?.tenants.length ?? 0) - NAMED_MAX} more</span>
        )}
      </p>
    </Card>
  )
}

function stepInWords(hours: number): string {
  if (hours === 1) return 'hour'
  return hours === 24 ? 'day (UTC)' : `${hours} hours`
}

/** Drawn from the top of the stack down, each row of bars covering the ones above it. */
function looks(hues: readonly number[], isDark: boolean): Omit<uPlot.Options, 'width' | 'height'> {
  const ink = readInk(isDark)
  const bars = uPlot.paths.bars?.({ size: [0.78, 48], align: 1, gap: 1 })
  return {
    // Half of the last time's words stand beyond the last bar.
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: (plot, min, max) => [min, max + stepOf(plot)] },
      y: { range: (_, __, max) => [0, Math.max(10, max * 1.05)] },
    },
    axes: [
      timeAxis(ink, (_, times) => times.map((time) => timeInWords(time * 1000))),
      valueAxis(ink, (_, values) => values.map(axisNumber)),
    ],
    series: [
      {},
      ...hues.toReversed().map(
        (hue): uPlot.Series => ({
          fill: hueColour(hue, isDark),
          width: 0,
          points: { show: false },
          ...(bars && { paths: bars }),
        }),
      ),
    ],
  }
}

/** A bar stands to the right of its time, so the last one needs a step more of room. */
function stepOf({ data: [times] }: uPlot): number {
  return (times[1] ?? 0) - (times[0] ?? 0)
}

/** Midnight shows its day, every other hour its time. */
function timeInWords(ms: number): string {
  const words = moment(ms)
  return words.endsWith('00:00') ? (words.split(',')[0] ?? words) : words.slice(-5)
}
