/**
 * Who goes where as bands: tenants on the left, the names that they ask for, and what answered on
 * the right. Pure: figures in, places in pixels out.
 */
import type { RouteFlowRow } from '../api/contract.ts'

export const NODE_HEIGHT_MIN = 22
const NODE_GAP = 10
const BANDS_HEIGHT = 200
/** More in one column are put together, the smallest first. */
const NODES_MAX = 8

export type Column = 'tenant' | 'name' | 'answer'
export const columns: readonly Column[] = ['tenant', 'name', 'answer']

export interface FlowNode {
  id: string
  column: Column
  requests: number
  cut: number
  top: number
  height: number
  /** How many of the smallest it stands for; 1: it is one itself. */
  count: number
}

/** From a node to one in the next column. */
export interface FlowBand {
  from: string
  to: string
  /** Whose requests they are, on both sides of the names. */
  tenant: string
  requests: number
  fromTop: number
  fromHeight: number
  toTop: number
  toHeight: number
}

export interface FlowLayout {
  nodes: FlowNode[]
  /** Between tenants and names, and between names and answers. */
  bands: readonly [FlowBand[], FlowBand[]]
  height: number
}

export const OTHERS = '\u0000others'
export const NOBODY = '\u0000nobody'

/** What answered: an engine by id, a rented target, or nothing. */
const answerOf = ({ engineId, rentedTarget }: RouteFlowRow) =>
  rentedTarget === null ? (engineId ?? NOBODY) : `rented ${rentedTarget}`

interface Flow {
  ids: Record<Column, string>
  requests: number
  cut: number
}

export function layoutFlow(rows: readonly RouteFlowRow[]): FlowLayout {
  const flows = merged(
    rows.map((row): Flow => {
      const { tenantId: tenant, model: name, requests, cut } = row
      return { ids: { tenant, name, answer: answerOf(row) }, requests, cut }
    }),
  )
  const nodes = columns.flatMap((column) => nodesOf(flows, column))
  const bands = [bandsOf(flows, nodes, 'tenant', 'name'), bandsOf(flows, nodes, 'name', 'answer')]
  const height = Math.max(0, ...nodes.map((node) => node.top + node.height))
  return { nodes, bands: bands as [FlowBand[], FlowBand[]], height }
}

/** The smallest of a crowded column become one. */
function merged(flows: readonly Flow[]): Flow[] {
  const kept = new Map(columns.map((column) => [column, largestOf(flows, column)]))
  return flows.map(({ ids, ...rest }) => {
    const idOf = (column: Column) => (kept.get(column)?.has(ids[column]) ? ids[column] : OTHERS)
    return {
      ...rest,
      ids: { tenant: idOf('tenant'), name: idOf('name'), answer: idOf('answer') },
    }
  })
}

function largestOf(flows: readonly Flow[], column: Column): ReadonlySet<string> {
  const sums = [...sumsOf(flows, column)].sort(([, a], [, b]) => b - a)
  const isCrowded = sums.length > NODES_MAX
  return new Set((isCrowded ? sums.slice(0, NODES_MAX - 1) : sums).map(([id]) => id))
}

function sumsOf(flows: readonly Flow[], column: Column): Map<string, number> {
  const sums = new Map<string, number>()
  for (const { ids, requests } of flows) {
    sums.set(ids[column], (sums.get(ids[column]) ?? 0) + requests)
  }
  return sums
}

/** The largest on top; what was put together, and what reached no engine, at the bottom. */
function nodesOf(flows: readonly Flow[], column: Column): FlowNode[] {
  const total = flows.reduce((sum, { requests }) => sum + requests, 0)
  const isLast = (id: string) => Number(id === OTHERS) + 2 * Number(id === NOBODY)
  const sums = [...sumsOf(flows, column)].sort(
    ([a, x], [b, y]) => isLast(a) - isLast(b) || y - x || (a < b ? -1 : 1),
  )
  let top = 0
  return sums.map(([id, requests]) => {
    const own = flows.filter(({ ids }) => ids[column] === id)
    const cut = own.reduce((sum, flow) => sum + flow.cut, 0)
    const height = Math.max(NODE_HEIGHT_MIN, (BANDS_HEIGHT * requests) / Math.max(1, total))
    const node = { id, column, requests, cut, top, height, count: own.length }
    top += height + NODE_GAP
    return node
  })
}

function bandsOf(
  flows: readonly Flow[],
  nodes: readonly FlowNode[],
  left: Column,
  right: Column,
): FlowBand[] {
  const place = (column: Column, id: string) =>
    nodes.findIndex((node) => node.column === column && node.id === id)
  const sums = new Map<string, { ids: Flow['ids']; requests: number }>()
  for (const { ids, requests } of flows) {
    const key = [ids.tenant, ids[left], ids[right]].join('\n')
    const sum = sums.get(key)
    if (sum) sum.requests += requests
    else sums.set(key, { ids, requests })
  }
  const order = (column: Column) => (a: { ids: Flow['ids'] }, b: { ids: Flow['ids'] }) =>
    place(column, a.ids[column]) - place(column, b.ids[column]) ||
    place('tenant', a.ids.tenant) - place('tenant', b.ids.tenant)
  const used = new Map<FlowNode, number>()
  /** The next part of a node, as much of it as a flow is of the node. */
  const take = (column: Column, id: string, requests: number) => {
    const node = nodes[place(column, id)]
    if (node === undefined) return { top: 0, height: 0 }
    const before = used.get(node) ?? 0
    const height = (node.height * requests) / Math.max(1, node.requests)
    used.set(node, before + height)
    return { top: node.top + before, height }
  }
  const bands = [...sums.values()]
  const starts = new Map(
    bands
      .toSorted(order(right))
      .map((band) => [band, take(left, band.ids[left], band.requests)] as const),
  )
  return bands.toSorted(order(left)).map((band) => {
    const { ids, requests } = band
    const from = starts.get(band) ?? { top: 0, height: 0 }
    const to = take(right, ids[right], requests)
    return {
      from: ids[left],
      to: ids[right],
      tenant: ids.tenant,
      requests,
      fromTop: from.top,
      fromHeight: from.height,
      toTop: to.top,
      toHeight: to.height,
    }
  })
}
