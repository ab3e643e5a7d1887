/** Contrast of text against what lies behind it (WCAG 2.2, 1.4.3), as the browser has drawn it. */
import type { Page } from 'playwright-core'

/** @returns a line for each kind of text whose contrast is too low; empty where all is readable */
export function lowContrasts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas')
    canvas.width = 1
    canvas.height = 1
    const context = canvas.getContext('2d', { willReadFrequently: true })
    type Colour = [number, number, number, number]
    const parsed = new Map<string, Colour>()
    /** Any CSS colour, oklch included, as red, green, blue (0 to 255) and alpha (0 to 1). */
    const parse = (text: string): Colour => {
      const known = parsed.get(text)
      if (known || !context) return known ?? [0, 0, 0, 1]
      context.clearRect(0, 0, 1, 1)
      context.fillStyle = text
      context.fillRect(0, 0, 1, 1)
      const [r = 0, g = 0, b = 0, a = 255] = context.getImageData(0, 0, 1, 1).data
      const colour: Colour = [r, g, b, a / 255]
      parsed.set(text, colour)
      return colour
    }
    const over = (top: Colour, below: Colour): Colour => {
      const mix = (at: 0 | 1 | 2) => top[at] * top[3] + below[at] * (1 - top[3])
      return [mix(0), mix(1), mix(2), 1]
    }
    const ground = (element: Element | null): Colour => {
      if (element === null) return [255, 255, 255, 1]
      const own = parse(getComputedStyle(element).backgroundColor)
      return own[3] === 1 ? own : over(own, ground(element.parentElement))
    }
    const luminance = ([r, g, b]: Colour) => {
      const linear = (value: number) => {
        const part = value / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      }
      return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }
    const found = new Set<string>()
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement
      const text = node.textContent?.trim() ?? ''
      if (element === null || text === '' || !element.checkVisibility()) continue
      if (element.closest(':disabled, option, script, noscript') !== null) continue
      const style = getComputedStyle(element)
      const behind = ground(element)
      const front = over(parse(style.color), behind)
      const [high, low] = [luminance(front), luminance(behind)].sort((a, b) => b - a)
      const ratio = ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05)
      const size = Number.parseFloat(style.fontSize)
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
      if (ratio < (isLarge ? 3 : 4.5)) {
        found.add(`${ratio.toFixed(2)}: “${text.slice(0, 40)}” ${style.color} on ${behind.join()}`)
      }
    }
    return [...found]
  })
}
