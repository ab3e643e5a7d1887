/** The guards that hold, ready to run, and which of them a request meets. */
import { type Clock, GristmillError, type Logger } from '../base/index.ts'
import type { OutboundAddresses } from '../host/index.ts'
import { type GuardRun, refusedBy } from './check.ts'
import { askService } from './http-check.ts'
import { compileSchema } from './json-schema.ts'
import { TextSearch } from './text-search.ts'
import type { Guard, HttpGuard } from './types.ts'

/** A guard that is ready to run. */
export interface ActiveGuard {
  guard: Guard
  /** For what comes in pieces; null where it wants the whole. */
  search: TextSearch | null
  /** @throws GristmillError `guard_refused` */
  check(texts: readonly string[], run: GuardRun, contents: readonly number[]): readonly string[]
  /** In the place of `check`, where it asks a service. */
  ask: ((texts: readonly string[], run: GuardRun) => Promise<readonly string[]>) | undefined
}

/** What a request meets. */
export interface GuardSet {
  before: readonly ActiveGuard[]
  after: readonly ActiveGuard[]
  /** True where an answer can only be checked whole. */
  wantsWhole: boolean
}

/** What decides which guards a request meets. */
export interface GuardedBy {
  tenantId: string
  tenantName: string
  /** What was asked for, and the name of its route. */
  model: string
  route: string | undefined
}

export interface GuardBookOptions {
  addresses: OutboundAddresses
  clock: Clock
  logger: Logger
}

const SETS_MAX = 10_000

export class GuardBook {
  readonly #options: GuardBookOptions
  #guards: readonly Guard[] = []
  #active: readonly ActiveGuard[] = []
  readonly #sets = new Map<string, GuardSet | null>()

  constructor(options: GuardBookOptions) {
    this.#options = options
  }

  /**
   * The same object for the same guards; null where there are none.
   * @param guards those that hold, the same list until they change
   */
  setFor(guards: readonly Guard[], by: GuardedBy): GuardSet | null {
    if (guards.length === 0) return null
    if (guards !== this.#guards) {
      // First, so that where one cannot be made ready nothing passes.
      this.#active = guards.map((one) => activeGuard(one, this.#options))
      this.#guards = guards
      this.#sets.clear()
    }
    const key = JSON.stringify([by.tenantId, by.tenantName, by.model])
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    if (this.#sets.size >= SETS_MAX) this.#sets.clear()
    const set = setOf(this.#active.filter(({ guard }) => meets(guard, by)))
    this.#sets.set(key, set)
    return set
  }
}

/** True where a guard looks at a request. */
export function meets({ tenants, routes }: Guard, by: GuardedBy): boolean {
  const isOfTenant =
    tenants === undefined ||
    tenants.includes(by.tenantId) ||
    tenants.some((one) => one.toLowerCase() === by.tenantName.toLowerCase())
  if (!isOfTenant) return false
  return routes === undefined || routes.includes(by.route ?? by.model)
}

function setOf(guards: readonly ActiveGuard[]): GuardSet | null {
  if (guards.length === 0) return null
  const after = guards.filter(({ guard }) => guard.when === 'after')
  return {
    before: guards.filter(({ guard }) => guard.when === 'before'),
    after,
    wantsWhole: after.some(({ search }) => search === null),
  }
}

function activeGuard(guard: Guard, options: GuardBookOptions): ActiveGuard {
  if (guard.kind === 'http') return serviceGuard(guard, options)
  const search = guard.kind === 'schema' ? null : new TextSearch(guard)
  const isFine = guard.kind === 'schema' ? compileSchema(guard.schema) : undefined
  const active: ActiveGuard = {
    guard,
    search,
    check: (texts, run, contents) => {
      run.note(active, 'passed')
      if (search !== null && guard.kind !== 'schema' && guard.action === 'redact') {
        const left = texts.map((text) => search.redacted(text))
        if (left.some((text, index) => text !== texts[index])) run.note(active, 'redacted')
        return left
      }
      const isRefused = search
        ? texts.some((text) => search.finds(text))
        : contents.some((index) => isFine?.(texts[index] ?? '') === false)
      if (isRefused) throw refusedBy(active, run)
      return texts
    },
    ask: undefined,
  }
  return active
}

function serviceGuard(guard: HttpGuard, options: GuardBookOptions): ActiveGuard {
  const active: ActiveGuard = {
    guard,
    search: null,
    check: (texts) => texts,
    ask: async (texts, run) => {
      run.note(active, 'passed')
      let verdict: Awaited<ReturnType<typeof askService>>
      try {
        verdict = await askService(guard, run.request, texts, options)
      } catch (error) {
        const { name, onFailure } = guard
        const { requestId } = run.request
        const line = { requestId, guard: name, reason: (error as Error).message, onFailure }
        options.logger.warn(line, 'a guard could not be asked')
        run.note(active, onFailure === 'open' ? 'failed_open' : 'failed_closed')
        if (onFailure === 'open') return texts
        throw new GristmillError('guard_unavailable', { guard: name }, { cause: error })
      }
      if (verdict.verdict === 'refuse') throw refusedBy(active, run)
      if (verdict.verdict === 'pass') return texts
      const { texts: left } = verdict
      if (left.some((text, index) => text !== texts[index])) run.note(active, 'redacted')
      return left
    },
  }
  return active
}
