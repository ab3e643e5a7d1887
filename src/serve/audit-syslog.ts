/** Sends the audit log to a syslog server: each row at least once, in the order of the chain. */
import { type Clock, type Logger, Rounds } from '../base/index.ts'
import { type SyslogMessage, type SyslogTarget, sendSyslog } from '../host/index.ts'
import type { Database } from '../store/index.ts'
import { auditLine, type ChainedAudit, chainAfter } from '../tenancy/index.ts'

export interface AuditSyslogOptions {
  database: Database
  clock: Clock
  logger: Logger
  target: SyslogTarget
}

const EVERY_MS = 1000
const ROWS_AT_ONCE = 200
/** A datagram that is larger may not arrive; its row is told without what changed. */
const DATAGRAM_BYTES_MAX = 8000

/** Begins to send, and goes on where whichever gateway left off. */
export function sendAudit(options: AuditSyslogOptions): Rounds {
  const { clock, logger, target } = options
  let isFailing = false
  const rounds = new Rounds(clock, EVERY_MS, async () => {
    try {
      while (!rounds.isStopped && (await sendSome(options))) isFailing = false
      isFailing = false
    } catch (error) {
      const { message } = error as Error
      if (!isFailing) logger.warn({ error: message, ...target }, 'the audit log cannot be sent')
      isFailing = true
    }
  })
  rounds.start()
  return rounds
}

/** @returns whether there may be more */
async function sendSome({ database, clock, target }: AuditSyslogOptions): Promise<boolean> {
  const name = `syslog ${target.protocol}://${target.host}:${target.port}`
  return database.transaction(async (sql) => {
    await sql`
      insert into audit_targets (target, seq) values (${name}, 0) on conflict do nothing`
    // Of several gateways one sends.
    const [place] = await sql<{ seq: number }[]>`
      select seq::int as seq from audit_targets where target = ${name} for update skip locked`
    if (!place) return false
    const rows = await chainAfter(sql, place.seq, ROWS_AT_ONCE)
    const last = rows.at(-1)
    if (last === undefined) return false
    await sendSyslog(
      target,
      rows.map((row) => messageOf(row, target)),
      clock,
    )
    await sql`update audit_targets set seq = ${last.seq} where target = ${name}`
    return rows.length === ROWS_AT_ONCE
  })
}

function messageOf(row: ChainedAudit, { protocol }: SyslogTarget): SyslogMessage {
  const whole = ascii(auditLine(row))
  const isTooLarge = protocol === 'udp' && whole.length > DATAGRAM_BYTES_MAX
  const text = isTooLarge ? ascii(auditLine({ ...row, detail: { left: 'too large' } })) : whole
  return { at: row.at, id: row.action, text }
}

/** JSON that needs no character set. */
const ascii = (json: string) =>
  json.replace(/[\u0080-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
