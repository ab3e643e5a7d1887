/** Where in a JSON text each value stands, so that a problem's path leads to its line. */

/**
 * Offset of every value by its path (`routes.0.name`); of a field, where its name begins.
 * @param text JSON that can be parsed
 */
export function placesIn(text: string): ReadonlyMap<string, number> {
  const places = new Map<string, number>()
  let at = 0
  const skip = () => {
    while (/\s/.test(text[at] ?? '')) at += 1
  }
  const string = (): string => {
    const start = at
    at += 1
    while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    at += 1
    return JSON.parse(text.slice(start, at)) as string
  }
  const inside = (close: string, each: (index: number) => void) => {
    at += 1
    skip()
    for (let index = 0; at < text.length && text[at] !== close; index += 1) {
      each(index)
      skip()
      if (text[at] === ',') at += 1
      skip()
    }
    at += 1
  }
  const under = (path: string, name: string | number) =>
    path === '' ? `${name}` : `${path}.${name}`
  const value = (path: string): void => {
    skip()
    if (!places.has(path)) places.set(path, at)
    if (text[at] === '{') {
      inside('}', () => {
        const start = at
        const own = under(path, string())
        places.set(own, start)
        skip()
        at += 1
        value(own)
      })
    } else if (text[at] === '[') inside(']', (index) => value(under(path, index)))
    else if (text[at] === '"') string()
    else while (at < text.length && !/[\s,\]}]/.test(text[at] ?? '')) at += 1
  }
  value('')
  return places
}

/** The offset of a path, or of the nearest one above it that is there. */
export function placeOfPath(places: ReadonlyMap<string, number>, path: string): number {
  for (let one = path; one !== ''; one = one.slice(0, Math.max(0, one.lastIndexOf('.')))) {
    const found = places.get(one)
    if (found !== undefined) return found
  }
  return 0
}

/** @returns the line of an offset, from 1 */
export const lineAt = (text: string, offset: number): number =>
  text.slice(0, offset).split('\n').length
