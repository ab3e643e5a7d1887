/** uPlot as a component: made once, resized with its box, remade when its looks change. */
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

export interface PlotProps {
  /** New looks, new object; must not carry width or height. */
  options: Omit<uPlot.Options, 'width' | 'height'>
  data: uPlot.AlignedData
  heightPx: number
  /** What the picture shows, for those who do not see it. */
  description: string
}

export function Plot({ options, data, heightPx, description }: PlotProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const newest = useRef(data)
  newest.current = data

  useEffect(() => {
    const element = box.current
    if (element === null) return
    const made = new uPlot(
      { ...options, width: element.clientWidth, height: heightPx },
      newest.current,
      element,
    )
    plot.current = made
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.round(entry?.contentRect.width ?? 0)
      if (width > 0 && width !== made.width) made.setSize({ width, height: heightPx })
    })
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [options, heightPx])

  useEffect(() => plot.current?.setData(data), [data])

  return (
    <div
      ref={box}
      role="img"
      aria-label={description}
      style={{ height: heightPx }}
      className="min-w-0 overflow-hidden"
    />
  )
}
