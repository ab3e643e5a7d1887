/**
 * The beginning of a batch: its input is looked through, and it begins or fails. Can be begun again
 * after a crash at any point.
 */
import { GristmillError } from '../base/index.ts'
import { hasAnswered } from '../meter/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { beginBatch, failBatch, finalizeBatch } from './batch-store.ts'
import type { BatchError, BatchRow } from './batch-types.ts'
import { validateInput } from './batch-validation.ts'
import type { RunServices } from './run-services.ts'

export const KEY_ENDED = {
  endCode: 'key_revoked',
  reason: 'The key it was made with, its project or its tenant has ended.',
} as const

export const INPUT_GONE: BatchError = {
  code: 'input_file_missing',
  line: null,
  message: 'The input file was deleted.',
  param: 'input_file_id',
}

/** A model that has answered its tenant within this time is away where it is not there. */
const KNOWN_MS = 7 * 24 * 3_600_000

export function isGone(error: unknown): boolean {
  return error instanceof GristmillError && error.code === 'not_found'
}

/**
 * @param principal null where the key it was made with has ended
 * @throws what the database throws
 */
export async function beginChecked(
  services: RunServices,
  batch: BatchRow,
  principal: Principal | null,
): Promise<void> {
  const { database, clock, files, limits, gateway, onEnded } = services
  const { id } = batch
  const at = () => new Date(clock.nowMs())
  if (principal === null) return finalizeBatch(database.sql, id, KEY_ENDED, at())
  const { linesTotal, model, errors } = await validateInput(batch, principal, {
    files,
    limits,
    check: (endpoint, body, by) => gateway.checkLine(endpoint, body, by),
    isAway: awayFor(services, principal),
    turn: () => clock.sleep(0),
  }).catch((error: unknown) => {
    if (!isGone(error)) throw error
    return { linesTotal: 0, model: null, errors: [INPUT_GONE] }
  })
  if (errors.length === 0) {
    return beginBatch(database.sql, id, { linesTotal, model, at: at() })
  }
  await database.transaction(async (sql) => {
    const failed = await failBatch(sql, id, errors, at())
    if (failed) await onEnded(sql, failed)
  })
}

/** Each model that the key may use is asked for once. */
function awayFor({ database, clock }: RunServices, { tenantId, policy }: Principal) {
  const sinceMs = clock.nowMs() - KNOWN_MS
  const known = new Map<string, Promise<boolean>>()
  return async (model: string): Promise<boolean> => {
    if (policy.models?.includes(model) === false) return false
    // What the database cannot store has never been answered.
    if (model.includes('\0') || !model.isWellFormed()) return false
    const asked = known.get(model) ?? hasAnswered(database.sql, { tenantId, model, sinceMs })
    known.set(model, asked)
    return asked
  }
}
