/** Routes for what engines cost. */
import { z } from '@hono/zod-openapi'
import { decimalOf, GristmillError, nanosOf } from '../base/index.ts'
import {
  addEngineCost,
  type EngineCost,
  engineCosts,
  hourlyNanos,
  nextMinuteMs,
} from '../meter/index.ts'
import { type Api, checkUnbound } from './api.ts'
import type * as contract from './contract.ts'
import { RouteShapes } from './route-shapes.ts'
import type { EngineService, HttpOptions } from './services.ts'

const amount = z
  .string()
  .refine((text) => nanosOf(text) !== undefined, {
    message: 'it must be an amount such as "0.15", with up to nine decimals',
  })
  .transform((text) => nanosOf(text) ?? 0n)
  .openapi({ type: 'string', description: 'Decimal of the currency, for an hour.' })

const costInput = z
  .strictObject({
    machine: amount.optional(),
    energy: amount.optional(),
    staff: amount.optional(),
    from: z.iso
      .datetime({ offset: true })
      .optional()
      .openapi({ description: 'A whole minute; the next one where absent.' }),
  })
  .refine(({ machine, energy, staff }) => [machine, energy, staff].some((part) => part != null), {
    message: 'one of machine, energy and staff is needed',
    path: ['machine'],
  })

const engineCost = z
  .object({
    engineId: z.string(),
    engineName: z.string(),
    fromAt: z.iso.datetime(),
    machine: z.string(),
    energy: z.string(),
    staff: z.string(),
    total: z.string(),
    actor: z.string(),
    at: z.iso.datetime(),
  })
  .openapi('EngineCost') satisfies z.ZodType<contract.EngineCostView>

const path = '/api/engines/{id}/costs'

/** @param api where the routes are added */
export function costRoutes(api: Api, { database, engines, tenancy, clock }: HttpOptions): void {
  const shapes = new RouteShapes('costs', 'costs:read', 'costs:write')
  const listSummary = 'What an hour of an engine costs and has cost, the newest first'
  api.openapi(shapes.read(path, listSummary, z.array(engineCost)), async (c) => {
    const rows = await engineCosts(database.sql, c.req.valid('param').id)
    return c.json(rows.map(view).toReversed(), 200)
  })
  const addSummary = 'Set what an hour of an engine costs from a minute on; parts not named stay'
  api.openapi(shapes.createIn(path, addSummary, costInput, engineCost), async (c) => {
    checkUnbound(c.get('access'), 'set what engines cost, which all tenants pay')
    const { id } = c.req.valid('param')
    const { from, ...given } = c.req.valid('json')
    const parts = Object.fromEntries(Object.entries(given).filter(([, part]) => part !== undefined))
    const { actor } = c.get('access')
    const atMs = clock.nowMs()
    const cost = {
      ...parts,
      engineId: id,
      engineName: nameOf(engines, id),
      fromMs: from === undefined ? nextMinuteMs(atMs) : Date.parse(from),
      actor: actor.name,
      atMs,
    }
    const added = await database.transaction(async (sql) => {
      const kept = view(await addEngineCost(sql, cost))
      const { fromAt, machine, energy, staff } = kept
      const detail = { from: fromAt, machine, energy, staff }
      const entry = { action: 'engine.cost_set', subject: id, tenantId: null, detail }
      await tenancy.audit.record(actor, entry, sql)
      return kept
    })
    return c.json(added, 201)
  })
}

/** @throws GristmillError `not_found` */
function nameOf(engines: EngineService, id: string): string {
  const all = engines.list()
  const found =
    all.find((engine) => engine.id === id) ??
    all.find(({ replicaOf }) => replicaOf?.id === id)?.replicaOf
  if (!found) throw new GristmillError('not_found', { kind: 'engine', id })
  return found.name
}

function view(cost: EngineCost): contract.EngineCostView {
  const { engineId, engineName, fromMs, machine, energy, staff, actor, atMs } = cost
  return {
    engineId,
    engineName,
    fromAt: new Date(fromMs).toISOString(),
    machine: decimalOf(machine),
    energy: decimalOf(energy),
    staff: decimalOf(staff),
    total: decimalOf(hourlyNanos(cost)),
    actor,
    at: new Date(atMs).toISOString(),
  }
}
