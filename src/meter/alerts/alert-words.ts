/** An alert in words, for e-mails and notices. Pure. */
import type { AlertMessage } from './alert-types.ts'

/** A moment by the clocks of the budget's tenant. */
export function alertWords(message: AlertMessage, zone: string): { subject: string; text: string } {
  const { budgetName, tenantName, percent, emptyAt, limit, spent, isHard, renewsAt } = message
  const unit = message.currency ?? message.unit.replace('_', '-')
  const day = (iso: string) =>
    new Date(iso).toLocaleString('en-GB', {
      timeZone: zone,
      ...{ day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit' },
    })
  const head =
    emptyAt === null
      ? `${percent} % of the budget ${budgetName} is spent`
      : `The budget ${budgetName} will be used up on ${day(emptyAt.expected)}`
  const latest = emptyAt?.latest == null ? 'its renewal, or not at all' : day(emptyAt.latest)
  const between =
    emptyAt === null
      ? ''
      : `At this pace it is empty on ${day(emptyAt.expected)}, nine times out of ten between ` +
        `${day(emptyAt.earliest)} and ${latest}.`
  const renewal =
    renewsAt === null ? 'It never renews.' : `It renews on ${day(renewsAt)} (${zone}).`
  const does = isHard
    ? 'It is hard: what does not fit any more is refused.'
    : 'It is soft: nothing is refused for it.'
  const lines = [`${head}.`, `${spent} of ${limit} ${unit} are spent by ${tenantName}.`, between]
  const text = [...lines, renewal, does].filter((line) => line !== '').join('\n')
  return { subject: `${tenantName}: ${head}`, text: `${text}\n` }
}
