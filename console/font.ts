/**
 * The part of Inter that nearly every page needs: Latin without accents, the weights in use,
 * tabular figures. A quarter of the whole file, which is fetched only where it is needed.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import subsetFont from 'subset-font'

const root = join(import.meta.dirname, '..')
const whole = join(
  root,
  'node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2',
)
const folder = join(root, 'node_modules/.cache/gristmill')
/** Without what stands in code only, which has another typeface. */
const ASCII = Array.from({ length: 95 }, (_, at) => String.fromCharCode(0x20 + at))
  .join('')
  .replace(/[\\^`{|}~]/g, '')
/** The same as in the `unicode-range` of theme.css. */
const SIGNS = '\u00a0·×÷–—‘’“”…→−≤≥'

/** Writes it where the build finds it. @returns its path */
export async function plainFont(): Promise<string> {
  const font = await subsetFont(readFileSync(whole), ASCII + SIGNS, {
    targetFormat: 'woff2',
    variationAxes: { wght: { min: 400, max: 650 } },
    keepFeatures: ['tnum'],
    noHinting: true,
  })
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'inter-plain.woff2')
  writeFileSync(path, font)
  return path
}
