/**
 * What goes where as bands between columns, from left to right. Pure: figures in, places in pixels
 * out.
 */

export const NODE_HEIGHT_MIN = 22
const NODE_GAP = 10
const BANDS_HEIGHT = 200
/** More in one column are put together, the smallest first. */
const NODES_MAX = 8

export interface Flow {
  /** A node in each column. */
  ids: readonly string[]
  /** Whose it is: flows of two owners are never one band. */
  owner: string
  amount: number
  /** How much of it is marked as bad. */
  marked: number
}

export interface FlowNode {
  id: string
  column: number
  amount: number
  marked: number
  top: number
  height: number
  /** How many of the smallest it stands for; 1: it is one itself. */
  count: number
}

/** From a node to one in the next column. */
export interface FlowBand {
  from: string
  to: string
  owner: string
  amount: number
  fromTop: number
  fromHeight: number
  toTop: number
  toHeight: number
}

export interface FlowLayout {
  nodes: FlowNode[]
  /** Between each two columns. */
  bands: FlowBand[][]
  height: number
}

export const OTHERS = '\u0000others'
/** What reached nothing. */
export const NOBODY = '\u0000nobody'

/** @param columns how many there are */
export function layoutFlow(given: readonly Flow[], columns: number): FlowLayout {
  const flows = merged(given, columns)
  const numbers = Array.from({ length: columns }, (_, column) => column)
  const nodes = numbers.flatMap((column) => nodesOf(flows, column))
  const bands = numbers.slice(1).map((right) => bandsOf(flows, nodes, right - 1, right))
  const height = Math.max(0, ...nodes.map((node) => node.top + node.height))
  return { nodes, bands, height }
}

/** The smallest of a crowded column become one. */
function merged(flows: readonly Flow[], columns: number): Flow[] {
  const kept = Array.from({ length: columns }, (_, column) => largestOf(flows, column))
  return flows.map((flow) => ({
    ...flow,
    ids: flow.ids.map((id, column) => (kept[column]?.has(id) ? id : OTHERS)),
  }))
}

function largestOf(flows: readonly Flow[], column: number): ReadonlySet<string> {
  const sums = [...sumsOf(flows, column)].sort(([, a], [, b]) => b - a)
  const isCrowded = sums.length > NODES_MAX
  return new Set((isCrowded ? sums.slice(0, NODES_MAX - 1) : sums).map(([id]) => id))
}

const idIn = ({ ids }: Pick<Flow, 'ids'>, column: number) => ids[column] ?? NOBODY

function sumsOf(flows: readonly Flow[], column: number): Map<string, number> {
  const sums = new Map<string, number>()
  for (const flow of flows) {
    const id = idIn(flow, column)
    sums.set(id, (sums.get(id) ?? 0) + flow.amount)
  }
  return sums
}

/** The largest on top; what was put together, and what reached nothing, at the bottom. */
function nodesOf(flows: readonly Flow[], column: number): FlowNode[] {
  const total = flows.reduce((sum, { amount }) => sum + amount, 0)
  const isLast = (id: string) => Number(id === OTHERS) + 2 * Number(id === NOBODY)
  const sums = [...sumsOf(flows, column)].sort(
    ([a, x], [b, y]) => isLast(a) - isLast(b) || y - x || (a < b ? -1 : 1),
  )
  let top = 0
  return sums.map(([id, amount]) => {
    const own = flows.filter((flow) => idIn(flow, column) === id)
    const marked = own.reduce((sum, flow) => sum + flow.marked, 0)
    const height = Math.max(NODE_HEIGHT_MIN, (BANDS_HEIGHT * amount) / (total || 1))
    const node = { id, column, amount, marked, top, height, count: own.length }
    top += height + NODE_GAP
    return node
  })
}

function bandsOf(
  flows: readonly Flow[],
  nodes: readonly FlowNode[],
  left: number,
  right: number,
): FlowBand[] {
  const places = new Map(nodes.map((node, at) => [`${node.column} ${node.id}`, at]))
  const place = (column: number, id: string) => places.get(`${column} ${id}`) ?? -1
  type Sum = Pick<Flow, 'ids' | 'owner' | 'amount'>
  const sums = new Map<string, Sum>()
  for (const flow of flows) {
    const { ids, owner, amount } = flow
    const key = [owner, idIn(flow, left), idIn(flow, right)].join('\n')
    const sum = sums.get(key)
    if (sum) sum.amount += amount
    else sums.set(key, { ids, owner, amount })
  }
  const order = (column: number) => (a: Sum, b: Sum) =>
    place(column, idIn(a, column)) - place(column, idIn(b, column)) || (a.owner < b.owner ? -1 : 1)
  const used = new Map<FlowNode, number>()
  /** The next part of a node, as much of it as a flow is of the node. */
  const take = (column: number, id: string, amount: number) => {
    const node = nodes[place(column, id)]
    if (node === undefined) return { top: 0, height: 0 }
    const before = used.get(node) ?? 0
    const height = (node.height * amount) / (node.amount || 1)
    used.set(node, before + height)
    return { top: node.top + before, height }
  }
  const bands = [...sums.values()]
  const starts = new Map(
    bands
      .toSorted(order(right))
      .map((band) => [band, take(left, idIn(band, left), band.amount)] as const),
  )
  return bands.toSorted(order(left)).map((band) => {
    const from = starts.get(band) ?? { top: 0, height: 0 }
    const to = take(right, idIn(band, right), band.amount)
    return {
      from: idIn(band, left),
      to: idIn(band, right),
      owner: band.owner,
      amount: band.amount,
      fromTop: from.top,
      fromHeight: from.height,
      toTop: to.top,
      toHeight: to.height,
    }
  })
}
