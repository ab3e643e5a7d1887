/**
 * Reads the text that engines show to Prometheus (exposition format 0.0.4 and OpenMetrics): only
 * the names that are asked for, so that a page of histograms costs little. What cannot be read is
 * left out; a page is never trusted to be whole.
 */

export interface MetricSample {
  name: string
  /** The labels as they are written, without the braces. */
  labels: string
  value: number
}

/** Samples with one of these names, in the order of the page. */
export function readSamples(text: string, names: ReadonlySet<string>): MetricSample[] {
  const samples: MetricSample[] = []
  for (const line of text.split('\n')) {
    const name = /^[a-zA-Z_:][\w:]*/.exec(line)?.[0]
    if (name === undefined || !names.has(name)) continue
    const sample = readSample(name, line.slice(name.length).trim())
    if (sample) samples.push(sample)
  }
  return samples
}

/** @param rest what follows the name: labels, value and perhaps a time */
function readSample(name: string, rest: string): MetricSample | undefined {
  const end = rest.startsWith('{') ? endOfLabels(rest) : 0
  if (end === undefined) return undefined
  const labels = end === 0 ? '' : rest.slice(1, end - 1)
  const [word = ''] = rest.slice(end).trim().split(/\s+/)
  const value = numberIn(word)
  return value === undefined ? undefined : { name, labels, value }
}

/** Position behind the closing brace; a brace inside quotes closes nothing. */
function endOfLabels(text: string): number | undefined {
  let isQuoted = false
  for (let i = 1; i < text.length; i++) {
    const character = text[i]
    if (isQuoted && character === '\\') i++
    else if (character === '"') isQuoted = !isQuoted
    else if (character === '}' && !isQuoted) return i + 1
  }
  return undefined
}

function numberIn(word: string): number | undefined {
  if (/^[+-]?inf$/i.test(word)) return word.startsWith('-') ? -Infinity : Infinity
  const value = Number(word)
  return word === '' || Number.isNaN(value) ? undefined : value
}
