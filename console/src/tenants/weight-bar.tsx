/** The whole pool as one bar, divided by weight. */
import { Link } from 'wouter'
import type { TenantView } from '../api/contract.ts'
import { hueStyle } from '../hues.ts'
import { Card } from '../parts/card.tsx'
import { percent } from '../units.ts'

export function WeightBar({ tenants }: { tenants: readonly TenantView[] }) {
  const total = tenants.reduce((sum, { weight }) => sum + weight, 0)
  const sorted = tenants.toSorted((a, b) => b.weight - a.weight)
  return (
    <Card title="What each is due" note="share of the pool while everybody wants it, by weight">
      <ul className="flex h-11 overflow-hidden rounded-lg">
        {sorted.map(({ id, name, hue, weight }) => (
          <li
            key={id}
            style={{ ...hueStyle(hue), flexGrow: weight }}
            className="tenant @container min-w-px basis-0 border-r-2 border-surface bg-tenant/22 last:border-r-0"
            title={`${name}: weight ${weight}, ${percent(weight / total, 1)}`}
          >
            <Link
              href={`/tenants/${id}`}
              aria-label={`${name}, ${percent(weight / total)}`}
              className="block h-full truncate px-2.5 py-1 text-[0.78rem]"
            >
              <span className="hidden truncate font-[580] @min-[4rem]:block">{name}</span>
              <span className="hidden truncate text-[0.72rem] @min-[4rem]:block">
                {percent(weight / total)}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  )
}
