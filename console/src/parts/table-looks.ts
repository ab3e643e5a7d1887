/** How every table looks: columns on a screen, labelled rows on a phone. */

/** Below 768 px each row is a block; cells carry their column's name in `data-label`. */
export const tableClass = 'block w-full text-[0.82rem] md:table'
export const headClass = 'max-md:sr-only text-[0.75rem] text-soft'
export const rowClass = 'block border-t py-2 max-md:first:border-t-0 md:table-row md:py-0'

const cell = [
  'max-md:flex max-md:items-baseline max-md:justify-between max-md:gap-4 max-md:py-[3px]',
  'max-md:text-right max-md:before:shrink-0 max-md:before:text-soft',
  'max-md:before:content-[attr(data-label)]',
  'min-w-0 font-normal md:py-[7px] md:align-baseline md:not-last:pr-5',
].join(' ')

export const cellClass = `${cell} md:text-left`
export const numberCellClass = `${cell} tabular-nums md:text-right md:whitespace-nowrap`
/** The cell that says what its row is about; on a phone it heads the block. */
export const leadCellClass = `${cell} max-md:justify-start! max-md:text-left! max-md:font-[580] max-md:before:hidden md:text-left`

/** What a cell shows that has nothing to say; on a phone its line is left out. */
export const NOTHING = '–'
