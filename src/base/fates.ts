/**
 * What becomes of the parts of a request at engines that speak another wire. Each translation
 * has tables of these, follows them, and `docs/compatibility.md` shows them.
 */

export interface Fate {
  /**
   * `translated`: means the same at the engine; `passed on`: the engine's own, as it is; `ignored`:
   * the answer means the same without it; `refused`: it would not.
   */
  fate: 'translated' | 'passed on' | 'ignored' | 'refused'
  /** How, or why; for refusals the words that the client gets. */
  how: string
}

export type Fates = Readonly<Record<string, Fate>>

export const translated = (how: string): Fate => ({ fate: 'translated', how })
export const ignored = (how: string): Fate => ({ fate: 'ignored', how })
export const refused = (how: string): Fate => ({ fate: 'refused', how })
