/** How every table looks: columns on a screen, labelled rows on a phone. */

/** Below 640 px each row is a block; cells carry their column's name in `data-label`. */
export const tableClass = 'block w-full text-[0.82rem] sm:table'
export const headClass = 'max-sm:sr-only text-[0.75rem] text-soft'
export const rowClass = 'block border-t py-2 max-sm:first:border-t-0 sm:table-row sm:py-0'

const cell = [
  'max-sm:flex max-sm:items-baseline max-sm:justify-between max-sm:gap-4 max-sm:py-[3px]',
  'max-sm:text-right max-sm:before:shrink-0 max-sm:before:text-soft',
  'max-sm:before:content-[attr(data-label)]',
  'min-w-0 font-normal sm:py-[7px] sm:align-baseline sm:not-last:pr-5',
].join(' ')

export const cellClass = `${cell} sm:text-left`
export const numberCellClass = `${cell} tabular-nums sm:text-right sm:whitespace-nowrap`
/** The cell that says what its row is about; on a phone it heads the block. */
export const leadCellClass = `${cell} max-sm:justify-start! max-sm:text-left! max-sm:font-[580] max-sm:before:hidden sm:text-left`
