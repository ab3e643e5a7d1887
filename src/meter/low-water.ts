/**
 * Where to look for open requests. The table `ledger_mark` promises: whatever is open before
 * `low_water` has its row in `ledger_open`. So nobody reads more of the ledger than its last
 * minutes, and a request that ends at once never has such a row.
 *
 * The mark moves in two steps. First `next_low_water` is told; an intent written with an identifier
 * before it brings its row itself (`writeIntents`). Once every statement that may not know of that
 * has ended, the open requests before it get their rows, and it becomes the low-water mark. So it
 * needs no clocks that agree: how far the mark is from now decides only how many bring a row.
 */
import { type Clock, idsFrom } from '../base/index.ts'
import type { Queries } from '../store/index.ts'

/**
 * Age of the identifiers where the mark is put, so that hardly any intent comes after it: longer
 * than an intent waits, and than clocks of different machines should be apart.
 */
const AGE_MS = 40_000
/**
 * A statement may have begun until the one that told of the mark had ended, and each may take the
 * pool's 15 s; some more for a commit that cannot be stopped.
 */
const TOLD_S = 45

/** Looked at in one statement: answers share the processor with it. */
const ROWS_MAX = 1000

/**
 * Moves the mark on, if it has been told for long enough; one of several gateways does.
 * @returns true where it is on its way: not all before what was told was looked at
 */
export async function moveLowWater(
  sql: Queries,
  clock: Clock,
  rowsMax = ROWS_MAX,
): Promise<boolean> {
  const next = idsFrom('req', clock.nowMs() - AGE_MS)
  const [moved] = await sql<{ isOnItsWay: boolean }[]>`
    with mark as materialized (
      select low_water, next_low_water from ledger_mark
      where next_since < now() - make_interval(secs => ${TOLD_S}) for update
    ), piece as materialized (
      select i.request_id, ${isOpen(sql)} as is_open from ledger_intents as i
      where i.request_id >= (select low_water from mark)
        and i.request_id < (select next_low_water from mark)
      order by i.request_id limit ${rowsMax}
    ), booked as (
      insert into ledger_open (request_id) select request_id from piece where is_open
      on conflict (request_id) do nothing
    ), ended as (
      ${deleteEnded(sql)} and exists (select from mark)
    ), last as materialized (
      select max(request_id) as request_id from piece having count(*) >= ${rowsMax}
    ), reached as (
      select mark.*, last.request_id as stop from mark left join last on true
    )
    update ledger_mark
    set low_water = coalesce(stop, reached.next_low_water),
      next_low_water = case when stop is null
        then greatest(reached.next_low_water, ${next}) else reached.next_low_water end,
      next_since = case when stop is null then now() else next_since end
    from reached returning stop is not null as "isOnItsWay"`
  return moved?.isOnItsWay ?? false
}

/** Gives every open request its row in `ledger_open`, and takes those away that have ended. */
export async function bookOpen(sql: Queries): Promise<void> {
  await sql`
    with ended as (${deleteEnded(sql)})
    insert into ledger_open (request_id)
    select i.request_id from ledger_intents as i
    where i.request_id >= ${lowWater(sql)} and ${isOpen(sql)}
    on conflict (request_id) do nothing`
}

/** From here on intents may be open without a row in `ledger_open`. */
export const lowWater = (sql: Queries) => sql`coalesce((select low_water from ledger_mark), '')`

/** Whether intent `i` has no settlement: a look-up by key, whatever the planner believes. */
export const isOpen = (sql: Queries) =>
  sql`(select true from ledger_settlements as s where s.request_id = i.request_id limit 1) is null`

/** Progress that arrived after the settlement, from a connection whose gateway is gone. */
const deleteEnded = (sql: Queries) => sql`
  delete from ledger_open as o
  where (select true from ledger_settlements as s where s.request_id = o.request_id limit 1)`
