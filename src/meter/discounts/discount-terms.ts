/** The table of terms, which only grows, and which of them hold for a tenant in a month. */
import type { Queries } from '../../store/index.ts'
import type { DiscountTerms } from './discount-types.ts'

interface TermsRow {
  version: number
  tenantId: string | null
  plan: string | null
  fromMonth: string
  freeUnit: 'money' | 'tokens' | null
  freeAmount: string | null
  tiers: { above: string; millionths: number }[]
  note: string
  actor: string
  atMs: number
}

/** All there have been, in the order of their versions. */
export async function readTerms(sql: Queries): Promise<DiscountTerms[]> {
  const rows = await sql<TermsRow[]>`
    select version, tenant_id as "tenantId", plan, to_char(from_month, 'YYYY-MM') as "fromMonth",
      free_unit as "freeUnit", free_amount::text as "freeAmount", tiers, note, actor,
      (extract(epoch from at) * 1000)::float8 as "atMs"
    from discount_terms order by version`
  return rows.map(({ freeUnit, freeAmount, tiers, ...row }) => ({
    ...row,
    free: freeUnit === null ? null : { unit: freeUnit, amount: BigInt(freeAmount ?? 0) },
    tiers: tiers.map(({ above, millionths }) => {
      return { aboveNanos: BigInt(above), millionths: BigInt(millionths) }
    }),
  }))
}

/** Under the next version; nobody else adds any meanwhile. @param sql the transaction */
export async function insertTerms(
  sql: Queries,
  terms: Omit<DiscountTerms, 'version'>,
): Promise<DiscountTerms> {
  await sql`lock table discount_terms in share row exclusive mode`
  const { tenantId, plan, fromMonth, free, note, actor } = terms
  const tiers = terms.tiers.map(({ aboveNanos, millionths }) => {
    return { above: String(aboveNanos), millionths: Number(millionths) }
  })
  const [row] = await sql<{ version: number }[]>`
    insert into discount_terms (version, tenant_id, plan, from_month, free_unit, free_amount, tiers,
      note, actor, at)
    select coalesce(max(version), 0) + 1, ${tenantId}, ${plan}, ${`${fromMonth}-01`}::text::date,
      ${free?.unit ?? null}, ${free === null ? null : String(free.amount)}::text::int8,
      ${JSON.stringify(tiers)}::text::jsonb, ${note}, ${actor}, ${new Date(terms.atMs)}
    from discount_terms returning version`
  return { ...terms, version: row?.version ?? 0 }
}

/** True of terms that end those before them. */
export const isEnd = ({ free, tiers }: Pick<DiscountTerms, 'free' | 'tiers'>) =>
  free === null && tiers.length === 0

/**
 * What holds in a month: terms for the tenant before those for its plan; of each, the ones from the
 * latest month, and of these the newest.
 * @param terms in the order of their versions
 */
export function termsFor(
  terms: readonly DiscountTerms[],
  tenantId: string,
  plan: string | null,
  month: string,
): DiscountTerms | null {
  const latest = (isOf: (one: DiscountTerms) => boolean) =>
    terms
      .filter((one) => isOf(one) && one.fromMonth <= month)
      .reduce<DiscountTerms | null>(
        (last, one) => (last === null || one.fromMonth >= last.fromMonth ? one : last),
        null,
      )
  const own = latest((one) => one.tenantId === tenantId)
  if (own !== null && !isEnd(own)) return own
  const ofPlan = plan === null ? null : latest((one) => one.plan === plan)
  return ofPlan === null || isEnd(ofPlan) ? null : ofPlan
}
