/** Webhooks of tenants and their deliveries, as rows; when and how to send is the sender's. */
import {
  type Clock,
  GristmillError,
  newId,
  type Random,
  sealBytes,
  unsealBytes,
} from '../base/index.ts'
import type { OutboundAddresses } from '../host/index.ts'
import type { Database, Transaction } from '../store/index.ts'
import { secretOf, type WebhookMessage } from './webhook-post.ts'

export interface WebhookDelivery {
  id: string
  type: string
  state: 'due' | 'delivered' | 'failed'
  attempts: number
  /** Why the last attempt failed. */
  reason: string | null
  createdAt: Date
  endedAt: Date | null
}

export interface Webhook {
  url: string
  createdAt: Date
  /** The newest few. */
  deliveries: WebhookDelivery[]
}

export interface WebhookStoreOptions {
  database: Database
  clock: Clock
  random: Random
  /** Seals the secrets; the same as that of content. */
  masterKey: Uint8Array
  targets: OutboundAddresses
}

/** A delivery that is ours to attempt. */
export interface Claim extends Omit<WebhookMessage, 'secret'> {
  tenantId: string
  attempts: number
  sealedSecret: Buffer
}

const SECRET_BYTES = 32
const DELIVERIES_SHOWN = 20
const placeOf = (tenantId: string) => `webhook:${tenantId}`

export class WebhookStore {
  readonly #options: WebhookStoreOptions

  constructor(options: WebhookStoreOptions) {
    this.#options = options
  }

  /**
   * Where a tenant is told from now on, in place of what was.
   * @returns the secret that deliveries are signed with, told this once
   * @throws GristmillError `invalid_value` where the URL is not one that may be told
   */
  async set(tenantId: string, url: string): Promise<{ secret: string }> {
    const { database, clock, random, masterKey, targets } = this.#options
    const { href } = targets.check(url)
    const secret = random.bytes(SECRET_BYTES)
    const sealed = sealBytes(masterKey, secret, placeOf(tenantId), random)
    const at = new Date(clock.nowMs())
    const row = { tenant_id: tenantId, url: href, sealed_secret: sealed, created_at: at }
    await database.sql`
      insert into webhooks ${database.sql(row)}
      on conflict (tenant_id) do update set
        url = excluded.url, sealed_secret = excluded.sealed_secret,
        created_at = excluded.created_at`
    return { secret: secretOf(secret) }
  }

  /** @throws GristmillError `not_found` */
  async get(tenantId: string): Promise<Webhook> {
    const { sql } = this.#options.database
    const [row] = await sql<{ url: string; createdAt: Date }[]>`
      select url, created_at as "createdAt" from webhooks where tenant_id = ${tenantId}`
    if (!row) throw new GristmillError('not_found', { kind: 'webhook of tenant', id: tenantId })
    const deliveries = await sql<WebhookDelivery[]>`
      select id, type, state, attempts, reason, created_at as "createdAt", ended_at as "endedAt"
      from webhook_deliveries where tenant_id = ${tenantId}
      order by id desc limit ${DELIVERIES_SHOWN}`
    return { ...row, deliveries: [...deliveries] }
  }

  /** Ends it, with what was still to be told. */
  async remove(tenantId: string): Promise<void> {
    await this.#options.database.transaction(async (sql) => {
      await sql`delete from webhooks where tenant_id = ${tenantId}`
      await sql`delete from webhook_deliveries where tenant_id = ${tenantId} and state = 'due'`
    })
  }

  /**
   * Puts down that a tenant is to be told, together with what else the transaction holds; nothing
   * where the tenant has no webhook.
   */
  async enqueue(sql: Transaction, tenantId: string, type: string, data: object): Promise<void> {
    const { clock, random } = this.#options
    const id = newId('evt', clock, random)
    const at = new Date(clock.nowMs())
    const createdAt = Math.floor(at.getTime() / 1000)
    const body = JSON.stringify({ id, object: 'event', created_at: createdAt, type, data })
    await sql`
      insert into webhook_deliveries (id, tenant_id, type, body, next_at, created_at)
      select ${id}, tenant_id, ${type}, ${body}, ${at}, ${at}
      from webhooks where tenant_id = ${tenantId}`
  }

  /**
   * Takes deliveries that are due, the oldest of each tenant of which none is being sent; no other
   * gateway does before `leaseMs` have passed.
   * @param busy tenants to leave out
   */
  async claim(rowsMax: number, leaseMs: number, busy: readonly string[]): Promise<Claim[]> {
    const { database, clock } = this.#options
    const nowMs = clock.nowMs()
    return await database.sql<Claim[]>`
      update webhook_deliveries d
      set attempts = attempts + 1, next_at = ${new Date(nowMs + leaseMs)},
        sending_until = ${new Date(nowMs + leaseMs)}
      from webhooks w
      where w.tenant_id = d.tenant_id and d.id in (
        select id from webhook_deliveries where state = 'due' and next_at <= ${new Date(nowMs)}
          and id in (
            select distinct on (tenant_id) id from webhook_deliveries
            where state = 'due' and next_at <= ${new Date(nowMs)}
              and tenant_id <> all (array(
                select jsonb_array_elements_text(${JSON.stringify(busy)}::text::jsonb)))
              and tenant_id not in (
                select tenant_id from webhook_deliveries
                where sending_until > ${new Date(nowMs)})
            order by tenant_id, next_at, id)
        order by next_at limit ${rowsMax} for update skip locked)
      returning d.id, d.body, d.attempts, d.tenant_id as "tenantId", w.url,
        w.sealed_secret as "sealedSecret"`
  }

  /** What a delivery is signed with. @throws Error where it was sealed with another key */
  secretFor({ tenantId, sealedSecret }: Claim): string {
    return secretOf(unsealBytes(this.#options.masterKey, sealedSecret, placeOf(tenantId)))
  }

  /** @param after null where there will be no further attempt */
  async failed(id: string, reason: string, after: Date | null): Promise<void> {
    const { sql } = this.#options.database
    const now = new Date(this.#options.clock.nowMs())
    const end = after === null ? { state: 'failed', ended_at: now } : { next_at: after }
    await sql`
      update webhook_deliveries set ${sql({ ...end, reason, sending_until: null })}
      where id = ${id} and state = 'due'`
  }

  async delivered(id: string): Promise<void> {
    const at = new Date(this.#options.clock.nowMs())
    await this.#options.database.sql`
      update webhook_deliveries
      set state = 'delivered', ended_at = ${at}, reason = null, sending_until = null
      where id = ${id}`
  }

  /** Forgets deliveries that ended before. */
  async forget(before: Date): Promise<void> {
    await this.#options.database.sql`
      delete from webhook_deliveries where state <> 'due' and ended_at < ${before}`
  }
}
