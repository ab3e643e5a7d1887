/** Routes: which targets stand behind the model names that clients ask for. */
export { allowanceOf, type IsUp, judge, resolve, type TargetVerdict } from './resolve.ts'
export { RouteBook, type RouteBookOptions } from './route-book.ts'
export { invalidRoutes, readRoutes, routesInput } from './schema.ts'
export type * from './types.ts'
