/** uPlot as a component: made once, as large as its box, remade when its looks change. */
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

export interface PlotProps {
  /** New looks, new object; must not carry width or height. */
  options: Omit<uPlot.Options, 'width' | 'height'>
  data: uPlot.AlignedData
  /** What the picture shows, for those who do not see it. */
  description: string
}

/** Fills the nearest positioned box. */
export function Plot({ options, data, description }: PlotProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const newest = useRef(data)
  newest.current = data

  useEffect(() => {
    const element = box.current
    if (element === null) return
    const made = new uPlot(
      { ...options, width: element.clientWidth, height: element.clientHeight },
      newest.current,
      element,
    )
    plot.current = made
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.round(entry?.contentRect.width ?? 0)
      const height = Math.round(entry?.contentRect.height ?? 0)
      const isSame = width === made.width && height === made.height
      if (width > 0 && height > 0 && !isSame) made.setSize({ width, height })
    })
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [options])

  useEffect(() => plot.current?.setData(data), [data])

  return (
    <div
      ref={box}
      role="img"
      aria-label={description}
      className="absolute inset-0 overflow-hidden"
    />
  )
}
