/** Whether this gateway should be sent requests, and if not, why. */
import type { Readiness } from '../http/index.ts'
import type { Ledger } from '../meter/index.ts'
import type { Pool } from '../pool/index.ts'
import type { DatabasePart } from './database-part.ts'
import { otherHolder } from './scheduling-right.ts'

export function readiness(
  { database, lease, member }: DatabasePart,
  ledger: Pick<Ledger, 'healthy' | 'awayMsLeft'>,
  pool: Pool,
  isStopping: boolean,
): Readiness {
  const reasons: string[] = []
  if (isStopping) reasons.push('The gateway is shutting down.')
  const isAway = !database.isUp()
  const awayMsLeft = ledger.awayMsLeft()
  if (isAway && awayMsLeft === 0) reasons.push('The database cannot be reached.')
  else if (!ledger.healthy()) reasons.push('The ledger cannot be written.')
  const other = otherHolder(lease)
  if (other !== undefined) reasons.push(`Another gateway (${other}) schedules on this database.`)
  if (member?.pool.hasHope === false) {
    reasons.push('No gateway that schedules can be reached.')
  }
  // Where no engine answers anybody it stays: without any gateway there would be no console either.
  if (member?.membership.isCutOff === true) {
    reasons.push('No engine answers this gateway, while some answer others.')
  }
  const ready = reasons.length === 0
  if (isAway && ready) {
    const seconds = Math.round(awayMsLeft / 1000)
    const words = 'requests are written into the journal, for'
    reasons.push(`The database cannot be reached; ${words} up to ${seconds} s more.`)
  }
  if (member?.role === 'lost') reasons.push('No gateway that schedules is connected right now.')
  const engines = [...pool.engines.values()]
  if (engines.length === 0) reasons.push('No engine is registered yet.')
  for (const { engine, state, reason } of engines) {
    if (state !== 'up') reasons.push(`Engine ${engine.name}: ${reason}`)
  }
  return { ready, reasons }
}
