/**
 * How many places interactive work of a pool has needed at once lately: those that ran and those
 * that waited for nothing but a place. Background work that never takes more than what is left of
 * the places keeps nobody waiting, however long its answers are. Told what happens, and now and
 * then what time it is.
 */

/** The past that counts, in slices that are forgotten one by one. */
const SLICE_MS = 10_000
const SLICES = 30
/** Part of the arrivals that may have needed more. */
const MORE_SHARE = 0.01
/** Whoever needs more needs them all. */
const PLACES_MAX = 4096

/** What is kept in a ticket; only this module writes it. */
export interface Counted {
  isCounted: boolean
}

export class PlacesNeeded {
  #now = 0
  /** Arrivals by the places that were needed with them: of each slice, and of all together. */
  readonly #slices: number[][] = [[]]
  readonly #total: number[] = []
  #slice: number | undefined

  /** A ticket runs, or waits for a place and nothing else. */
  enter(ticket: Counted): void {
    if (ticket.isCounted) return
    ticket.isCounted = true
    const places = Math.min(++this.#now, PLACES_MAX)
    add(this.#slices[0] as number[], places, 1)
    add(this.#total, places, 1)
  }

  /** It is over, has given up, or waits for something else. */
  leave(ticket: Counted): void {
    if (!ticket.isCounted) return
    ticket.isCounted = false
    this.#now--
  }

  /**
   * The fewest places that were enough for all but a hundredth of the arrivals of the last five
   * minutes; 0 where nobody came. To be asked about once a second.
   */
  places(nowMs: number): number {
    this.#forget(Math.floor(nowMs / SLICE_MS))
    const arrivals = this.#total.reduce((sum, count) => sum + count, 0)
    let more = Math.floor(MORE_SHARE * arrivals)
    for (let places = this.#total.length - 1; places > 0; places--) {
      more -= this.#total[places] ?? 0
      if (more < 0) return places
    }
    return 0
  }

  #forget(slice: number): void {
    const passed = Math.min(SLICES, slice - (this.#slice ?? slice))
    this.#slice = slice
    for (let i = 0; i < passed; i++) {
      this.#slices.unshift([])
      const oldest = this.#slices.length > SLICES ? this.#slices.pop() : undefined
      oldest?.forEach((count, places) => {
        add(this.#total, places, -count)
      })
    }
  }
}

function add(counts: number[], at: number, change: number): void {
  while (counts.length <= at) counts.push(0)
  counts[at] = (counts[at] as number) + change
}
