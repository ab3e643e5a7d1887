/** Lists that are read whole: how long they may be, and what is said of one that is longer. */

export const PAGE_ROWS = 200
/** What is longer than so many pages is read page by page elsewhere. */
export const PAGES_MAX = 25
export const WHOLE_ROWS_MAX = PAGES_MAX * PAGE_ROWS

/** True where there may be more rows than these. */
export const isCut = (rows: readonly unknown[] | undefined): boolean =>
  rows !== undefined && rows.length >= WHOLE_ROWS_MAX

/** Before a number of rows that may not be all. */
export const atLeast = (rows: readonly unknown[]) => (isCut(rows) ? 'At least ' : '')
