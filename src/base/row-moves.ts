/** Which sequences to move where, so that some of them become neighbours. Pure. */

/** Positions of a sequence that is in use and of an idle one. */
export interface Move {
  from: number
  to: number
}

export interface MovablePlace {
  index: number
  /** One of those that are to be neighbours; it is busy. */
  isMember: boolean
  isBusy: boolean
  /** Busy and cannot be moved, or idle and not to be overwritten. */
  isFixed: boolean
}

/** A row of places with what has to move to make it one of members only. */
interface Row {
  /** Members that are elsewhere. */
  outside: MovablePlace[]
  /** Others in it that are busy. */
  away: MovablePlace[]
  idle: MovablePlace[]
}

/**
 * Moves, to be made one after another, after which the members fill a row of places: the row that
 * takes fewest, the lower of equal ones.
 * @param places all of them, in order
 * @returns none where the members are neighbours, or cannot become so
 */
export function movesIntoRow(places: readonly MovablePlace[]): Move[] {
  const members = places.filter(({ isMember }) => isMember)
  let best: Row | undefined
  for (let begin = 0; begin + members.length <= places.length; begin++) {
    const row = places.slice(begin, begin + members.length)
    const isInside = ({ index }: MovablePlace) => index >= begin && index < begin + members.length
    const outside = members.filter((place) => !isInside(place))
    const away = row.filter((place) => place.isBusy && !place.isMember)
    const idle = row.filter((place) => !place.isBusy)
    if ([...outside, ...away, ...idle].some(({ isFixed }) => isFixed)) continue
    if (!best || outside.length + away.length < best.outside.length + best.away.length)
      best = { outside, away, idle }
  }
  return best ? movesOf(best, places) : []
}

function movesOf(row: Row, places: readonly MovablePlace[]): Move[] {
  const moves: Move[] = []
  const free = row.idle.map(({ index }) => index)
  const away = row.away.map(({ index }) => index)
  const left: number[] = []
  for (const { index } of row.outside) {
    let to = free.shift()
    if (to === undefined) {
      to = away.shift() as number
      const aside = left.shift() ?? idleNextTo(to, row, places)
      if (aside === undefined) return []
      moves.push({ from: to, to: aside })
    }
    moves.push({ from: index, to })
    left.push(index)
  }
  return moves
}

/** The nearest idle place beside the row. */
function idleNextTo(index: number, { idle }: Row, places: readonly MovablePlace[]) {
  const distance = (place: MovablePlace) => Math.abs(place.index - index)
  const found = places.filter((place) => !place.isBusy && !place.isFixed && !idle.includes(place))
  return found.sort((a, b) => distance(a) - distance(b))[0]?.index
}
