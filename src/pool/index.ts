/** The pool: scheduler, engines in it, and what it tells about itself. */
export type * from './types.ts'
