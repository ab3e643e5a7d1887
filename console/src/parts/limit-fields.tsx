/** The four limits that tenants and keys can have, as fields and in words. */
import type { LimitsView } from '../api/contract.ts'
import { count, duration } from '../units.ts'
import { Field } from './field.tsx'
import { numberOf } from './on-submit.ts'

const fields = [
  { name: 'concurrencyMax', label: 'Running at once', hint: 'requests' },
  { name: 'queueDepthMax', label: 'Waiting at once', hint: 'requests' },
  { name: 'tokensPerMinute', label: 'Tokens a minute', hint: 'prompt and output' },
  { name: 'waitMsMax', label: 'Longest wait', hint: 'milliseconds' },
] as const satisfies { name: keyof LimitsView; label: string; hint: string }[]

export function LimitFields({ limits }: { limits?: LimitsView }) {
  return (
    <fieldset>
      <legend className="mb-1 text-[0.8rem] font-medium">Limits, empty where there is none</legend>
      <div className="grid grid-cols-2 gap-3">
        {fields.map(({ name, label, hint }) => (
          <Field
            key={name}
            label={label}
            hint={hint}
            name={name}
            type="number"
            min={1}
            step={1}
            inputMode="numeric"
            defaultValue={limits?.[name] ?? ''}
          />
        ))}
      </div>
    </fieldset>
  )
}

export function limitsOf(form: FormData): LimitsView {
  return {
    concurrencyMax: numberOf(form, 'concurrencyMax'),
    queueDepthMax: numberOf(form, 'queueDepthMax'),
    tokensPerMinute: numberOf(form, 'tokensPerMinute'),
    waitMsMax: numberOf(form, 'waitMsMax'),
  }
}

export function limitsInWords(limits: LimitsView): string {
  const { concurrencyMax, queueDepthMax, tokensPerMinute, waitMsMax } = limits
  const words = [
    concurrencyMax === null ? '' : `${count(concurrencyMax)} running`,
    queueDepthMax === null ? '' : `${count(queueDepthMax)} waiting`,
    tokensPerMinute === null ? '' : `${count(tokensPerMinute)} tokens/min`,
    waitMsMax === null ? '' : `waits ${duration(waitMsMax)} at most`,
  ].filter(Boolean)
  return words.length === 0 ? 'none of its own' : words.join(' · ')
}

/** The same as flags of the command line. */
export function limitFlags(limits: LimitsView, before?: LimitsView): string {
  const flags = {
    concurrencyMax: '--concurrency',
    queueDepthMax: '--queue-depth',
    tokensPerMinute: '--tokens-per-minute',
    waitMsMax: '--max-wait-ms',
  } as const
  return fields
    .filter(({ name }) => limits[name] !== (before?.[name] ?? null))
    .map(({ name }) => ` ${flags[name]} ${limits[name] ?? 'none'}`)
    .join('')
}
