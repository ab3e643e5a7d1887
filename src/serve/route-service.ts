/** Routes as people see and change them: the book of versions, the pool and the tenants joined. */
import { GristmillError } from '../base/index.ts'
import { meets } from '../guard/index.ts'
import type {
  RouteChangeView,
  RouteExplanationView,
  RouteService,
  RouteSetView,
} from '../http/index.ts'
import type { Pool, TargetPlaces } from '../pool/index.ts'
import {
  allowanceOf,
  effectOf,
  judge,
  type RequestFacts,
  type Route,
  type RouteBook,
  type RouteChange,
  type RouteVersion,
  type TargetConditions,
  tryDocument,
} from '../route/index.ts'
import type { Tenancy } from '../tenancy/index.ts'
import { modelsOf } from './engine-service.ts'
import { explained, guardNews } from './guard-words.ts'

export interface RouteServiceOptions {
  book: RouteBook
  pool: Pool
  places: TargetPlaces
  tenancy: Pick<Tenancy, 'labels' | 'tenants'>
}

export function routeService({ book, pool, places, tenancy }: RouteServiceOptions): RouteService {
  const withWarnings = (version: RouteVersion): RouteSetView => ({
    ...viewOf(version),
    warnings: warningsOf(version.routes, pool, tenancy),
  })
  return {
    current: () => withWarnings(book.current),
    versions: async (page) => {
      const { rows, next } = await book.versions(page)
      return { rows: rows.map(({ at, ...row }) => ({ ...row, at: at.toISOString() })), next }
    },
    version: async (version) => withWarnings(await book.version(version)),
    apply: async (document, actor, note, base) =>
      withWarnings(await book.apply(document, actor, note, base)),
    draft: (document) => {
      const { version, routes: before, guards: guardsBefore } = book.current
      const { routes, guards = guardsBefore, problems } = tryDocument(document)
      if (problems.length > 0) {
        return { version, problems, warnings: [], changes: [], unexamined: [] }
      }
      const served = new Set(modelsOf(pool).map(({ name }) => name))
      const effect = effectOf(before, routes, {
        tenants: [...tenancy.labels().values()].filter(({ archived }) => !archived),
        isUp: (target) => places.isUp(places.queueOf(target)),
        isServed: (model) => served.has(model),
      })
      const { changes, unexamined } = effect
      return {
        version,
        problems,
        warnings: [...guardNews(guardsBefore, guards), ...warningsOf(routes, pool, tenancy)],
        changes: changes.map(changeViewOf),
        unexamined,
      }
    },
    rollback: async (actor, to) => withWarnings(await book.rollback(actor, to)),
    explain: async ({ model, tenantId, serviceClass, inputTokens, keyTags, requestTags }) => {
      const tenant = await tenancy.tenants.get(tenantId)
      const asked = serviceClass ?? tenant.defaultClass
      const route = book.find(model)
      const given = { tenantId, serviceClass: asked, inputTokens, keyTags, requestTags }
      const facts = { ...given, tenantName: tenant.name }
      const by = { tenantId, tenantName: tenant.name, model, route: route?.name }
      const guards = book.guards.filter((one) => meets(one, by)).map(explained)
      const base = { ...given, guards, model, tenant: tenant.name }
      const mayUse =
        tenant.models === null ||
        tenant.models.includes(model) ||
        (route !== undefined && tenant.models.includes(route.name))
      if (route === undefined) return { ...base, mayUse, ...unrouted(model, pool, places) }
      const isUp = (target: Route['targets'][number]) => places.isUp(places.queueOf(target))
      const targets = judge(route, facts, isUp).map(({ target, misfit, isUp: up, share }) => ({
        model: target.model,
        engine: target.engine,
        preference: target.preference,
        weight: target.weight,
        share,
        why: misfit ?? (up ? reasonFor(route, target, facts, share) : NOT_SERVED),
      }))
      return { ...base, mayUse, route: route.name, deprecation: route.deprecation, targets }
    },
  }
}

/** Copies, because what holds is not to be changed. */
function changeViewOf(change: RouteChange): RouteChangeView {
  if (change.kind !== 'defaults') return change
  return { ...change, before: { ...change.before }, after: { ...change.after } }
}

const NOT_SERVED = 'no engine serves it at the moment'

function reasonFor(
  route: Route,
  { price }: Route['targets'][number],
  facts: Omit<RequestFacts, 'draw'>,
  share: number,
): string {
  if (route.overflow !== null && price !== null) {
    const allowance = allowanceOf(route, facts)
    if (allowance === 0) return 'it is rented, and the tenant has no allowance for it'
    return `it is asked when the wait is too long, for up to ${allowance / 1e9} a day`
  }
  if (share === 0) return 'it is asked when those before it fail'
  return share === 1 ? 'it is asked first' : `it is asked first by ${Math.round(100 * share)} %`
}

function unrouted(
  model: string,
  pool: Pool,
  places: TargetPlaces,
): Pick<RouteExplanationView, 'route' | 'deprecation' | 'targets'> {
  if (!modelsOf(pool).some(({ name }) => name === model)) {
    throw new GristmillError('not_found', { kind: 'route or model', id: model })
  }
  const why = places.isUp(model) ? 'the engines that serve it' : 'no engine serves it now'
  const target = { model, engine: null, preference: 1, weight: 1, share: 1, why }
  return { route: null, deprecation: null, targets: [target] }
}

const viewOf = ({ version, at, actor, note, routes, guards }: RouteVersion) => ({
  version,
  at: version === 0 ? null : at.toISOString(),
  actor,
  note,
  guards: guards.map((one) => ({ ...one })),
  routes: routes.map((route) => ({
    ...route,
    aliases: [...route.aliases],
    defaults: { ...route.defaults },
    overflow: route.overflow && {
      allowances: { ...route.overflow.allowances },
      classes: [...route.overflow.classes],
    },
    targets: route.targets.map(({ when, ...target }) => ({ ...target, when: conditionsOf(when) })),
  })),
})

const conditionsOf = (when: TargetConditions) => {
  const { tenants, classes, keyTags, requestTags, ...lengths } = when
  return {
    ...lengths,
    ...(tenants && { tenants: [...tenants] }),
    ...(classes && { classes: [...classes] }),
    ...(keyTags && { keyTags: [...keyTags] }),
    ...(requestTags && { requestTags: [...requestTags] }),
  }
}

/** What may be a slip, but may also be an engine or a tenant that is yet to come. */
function warningsOf(
  routes: readonly Route[],
  pool: Pool,
  tenancy: Pick<Tenancy, 'labels'>,
): string[] {
  const served = new Set(modelsOf(pool).map(({ name }) => name))
  const engines = new Set([...pool.engines.values()].map(({ engine }) => engine.name))
  const tenants = new Set<string>()
  for (const { id, name } of tenancy.labels().values()) tenants.add(id).add(name.toLowerCase())
  const names = new Set(routes.flatMap(({ name, aliases }) => [name, ...aliases]))
  return routes.flatMap(({ name, targets, deprecation }) => {
    const successor = deprecation?.successor ?? name
    return [
      ...targets.flatMap(({ model, engine, when }) => [
        ...(served.has(model) ? [] : [`${name}: no engine serves ${model}`]),
        ...(engine === null || engines.has(engine)
          ? []
          : [`${name}: no engine is called ${engine}`]),
        ...(when.tenants ?? [])
          .filter((one) => !tenants.has(one) && !tenants.has(one.toLowerCase()))
          .map((one) => `${name}: no tenant is called ${one}`),
      ]),
      ...(names.has(successor) || served.has(successor)
        ? []
        : [`${name}: its successor ${successor} does not exist`]),
    ]
  })
}
