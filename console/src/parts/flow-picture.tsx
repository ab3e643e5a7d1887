/** Columns of names with bands between them, as wide as what goes there. */
import { Fragment } from 'react'
import { hueStyle } from '../hues.ts'
import type { FlowBand, FlowLayout, FlowNode } from './flow-layout.ts'

export interface FlowColumn {
  title: string
  /** A bar beside the name, or the name in a box between bands. */
  look: 'right' | 'box' | 'left'
  nameOf: (id: string) => string
  /** Below the name, in small print. */
  noteOf?: (id: string) => string
}

export interface FlowPictureProps {
  layout: FlowLayout
  columns: readonly FlowColumn[]
  /** Of a node, or of whose a band is; below 0: grey. */
  hueOf: (id: string) => number
  /** An amount in as few characters as can be, and with its unit. */
  short: (amount: number) => string
  long: (amount: number) => string
  /** What the marked part of a node is, in words after its amount. */
  marked: string
  /** Whose a band is. */
  ownerOf: (id: string) => string
}

/** Where names have less room than this, the picture is wider than its box. */
const grids: Record<number, string> = {
  3: 'grid-cols-[minmax(4rem,11rem)_minmax(1.5rem,1fr)_minmax(4.5rem,12rem)_minmax(1.5rem,1fr)_minmax(4rem,11rem)]',
  4: 'min-w-[38rem] grid-cols-[minmax(4rem,9rem)_minmax(1.5rem,1fr)_minmax(4.5rem,8rem)_minmax(1.5rem,1fr)_minmax(4.5rem,10rem)_minmax(1.5rem,1fr)_minmax(4rem,11rem)]',
}

export function FlowPicture(props: FlowPictureProps) {
  const { layout, columns } = props
  return (
    <div className={`grid gap-x-1 sm:gap-x-1.5 ${grids[columns.length]}`}>
      {columns.map((column, at) => {
        const bands = layout.bands[at]
        const next = columns[at + 1]
        return (
          <Fragment key={column.title}>
            <Nodes
              {...props}
              column={column}
              nodes={layout.nodes.filter((node) => node.column === at)}
            />
            {bands !== undefined && next !== undefined && (
              <Bands {...props} bands={bands} left={column} right={next} />
            )}
          </Fragment>
        )
      })}
    </div>
  )
}

/** Height that a name and its figures need, pixels. */
const TWO_LINES = 34

const alignments = { right: 'text-right', box: 'text-center', left: '' }
const looks = {
  right: 'flex-row-reverse',
  box: 'justify-center rounded-[4px] bg-sunk px-1.5',
  left: '',
}

function Nodes(props: FlowPictureProps & { column: FlowColumn; nodes: readonly FlowNode[] }) {
  const { column, nodes, layout } = props
  return (
    <section aria-label={column.title} className={alignments[column.look]}>
      <h3 className="mb-1.5 text-[0.75rem] text-soft">{column.title}</h3>
      <ul className="relative" style={{ height: layout.height }}>
        {nodes.map((node) => (
          <Node key={node.id} {...props} node={node} />
        ))}
      </ul>
    </section>
  )
}

function Node(props: FlowPictureProps & { column: FlowColumn; node: FlowNode }) {
  const { column, node, hueOf, short, long, marked } = props
  const { id, top, height, amount } = node
  const name = column.nameOf(id)
  const note = column.noteOf?.(id) ?? ''
  const bad = node.marked === 0 ? '' : `, ${long(node.marked)} of it ${marked}`
  const isTall = height >= TWO_LINES
  return (
    <li
      title={`${name}: ${long(amount)}${bad}`}
      style={{ top, height, ...hueStyle(hueOf(id)) }}
      className={`tenant absolute inset-x-0 flex items-center gap-2 ${looks[column.look]}`}
    >
      {column.look !== 'box' && (
        <i
          aria-hidden
          className={`h-full w-1 shrink-0 rounded-[2px] ${hueOf(id) < 0 ? 'bg-edge' : 'bg-tenant'}`}
        />
      )}
      <span className="min-w-0 leading-tight">
        <span className="block truncate text-[0.8rem] font-[560]">
          {name}
          {!isTall && (
            <span className="ml-1.5 text-[0.72rem] font-normal text-soft tabular-nums">
              {short(amount)}
            </span>
          )}
        </span>
        {isTall && (
          <span className="block truncate text-[0.72rem] text-soft tabular-nums">
            {short(amount)}
            {note === '' ? '' : ` · ${note}`}
            {node.marked > 0 && (
              <span className="text-bad">
                {' '}
                · {short(node.marked)} {marked}
              </span>
            )}
          </span>
        )}
      </span>
    </li>
  )
}

interface BandsProps extends FlowPictureProps {
  bands: readonly FlowBand[]
  left: FlowColumn
  right: FlowColumn
}

function Bands({ bands, layout, left, right, hueOf, ownerOf, long }: BandsProps) {
  const { height } = layout
  const describe = ({ owner, from, to, amount }: FlowBand) => {
    const way = `${left.nameOf(from)} to ${right.nameOf(to)}`
    const isNamed = owner === from || owner === to
    return `${isNamed ? '' : `${ownerOf(owner)}, `}${way}: ${long(amount)}`
  }
  return (
    <svg
      aria-hidden
      viewBox={`0 0 100 ${height}`}
      preserveAspectRatio="none"
      className="mt-[1.53rem] w-full"
      style={{ height }}
    >
      {bands.map((band) => (
        <path
          key={`${band.owner} ${band.from} ${band.to}`}
          d={pathOf(band)}
          style={hueStyle(hueOf(band.owner))}
          className="tenant fill-tenant/35 hover:fill-tenant/60"
        >
          <title>{describe(band)}</title>
        </path>
      ))}
    </svg>
  )
}

function pathOf({ fromTop, fromHeight, toTop, toHeight }: FlowBand): string {
  const [a, b] = [fromTop, fromTop + Math.max(1, fromHeight)]
  const [c, d] = [toTop, toTop + Math.max(1, toHeight)]
  return `M0,${a} C50,${a} 50,${c} 100,${c} L100,${d} C50,${d} 50,${b} 0,${b} Z`
}
