/** Guards: what looks at prompts and answers before they go on, and refuses or redacts them. */
export { checkTexts, GuardRun, refusedBy } from './check.ts'
export {
  type ActiveGuard,
  GuardBook,
  type GuardBookOptions,
  type GuardedBy,
  type GuardSet,
  meets,
} from './guard-book.ts'
export type { Scanner } from './scanner.ts'
export { guardsInput, problemsAmongGuards } from './schema.ts'
export * from './types.ts'
