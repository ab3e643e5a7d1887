/** Routes: which targets stand behind the model names that clients ask for. */
export {
  type Effect,
  effectOf,
  type RouteChange,
  type TargetOutcome,
} from './effect.ts'
export { allowanceOf, type IsUp, judge, resolve, type TargetVerdict } from './resolve.ts'
export { RouteBook, type RouteBookOptions } from './route-book.ts'
export {
  invalidRoutes,
  type RouteDocument,
  readDocument,
  routesInput,
  tryDocument,
} from './schema.ts'
export type * from './types.ts'
