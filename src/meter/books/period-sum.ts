/** What the engines of a period come to: from sums of their minutes, else from these. */
import { GristmillError } from '../../base/index.ts'
import type { Queries } from '../../store/index.ts'
import { ChargebackSum } from './chargeback.ts'
import {
  type CostBasis,
  readSums,
  type SummedPart,
  type SummedTime,
  withParts,
} from './cost-sums.ts'
import { engineCosts } from './engine-costs.ts'
import { readEngineMinutes } from './engine-minutes.ts'
import { readWeights, weightSpans } from './weights.ts'

/**
 * @param fromMs a whole minute, inclusive
 * @param toMs a whole minute, exclusive
 * @throws GristmillError `invalid_value` where it takes apart a time whose minutes are gone
 */
export async function sumOfPeriod(
  sql: Queries,
  fromMs: number,
  toMs: number,
  basis: CostBasis,
): Promise<ChargebackSum> {
  const read = async ({ parts, cut, gaps }: SummedTime) => {
    const alone = cut.find(({ isAlone }) => isAlone)
    if (alone !== undefined) throw takenApart(alone, fromMs)
    const costs = await engineCosts(sql)
    const weights = weightSpans(await readWeights(sql, fromMs, toMs))
    const sum = new ChargebackSum(costs, weights)
    const changesMs = [...costs, ...weights].map((change) => change.fromMs).filter(Number.isFinite)
    for (const { engineId, atMs, ...sums } of await readSums(sql, parts, changesMs)) {
      sum.addSums(engineId, atMs, sums)
    }
    for (const gap of gaps) {
      for await (const minute of readEngineMinutes(sql, ...gap)) sum.add(minute)
    }
    return sum
  }
  return await withParts(sql, fromMs, toMs, read, basis)
}

function takenApart({ fromMs: beganMs, untilMs }: SummedPart, fromMs: number): GristmillError {
  const [from, until] = [beganMs, untilMs].map((ms) => new Date(ms).toISOString())
  const reason = `single minutes from ${from} to ${until} are not kept any more`
  return new GristmillError('invalid_value', { param: beganMs < fromMs ? 'from' : 'to', reason })
}
