/** What was told of budgets, and when somebody is told of one. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import { get } from '../api/client.ts'
import type { BudgetAlertsView, BudgetAlertView, BudgetView } from '../api/contract.ts'
import { usePaged, useTenantNames } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { NextPage } from '../parts/next-page.tsx'
import { onSubmit, textOf } from '../parts/on-submit.ts'
import { TenantName } from '../parts/tenant-name.tsx'
import { listed, moment, plural } from '../units.ts'

const REFRESH_MS = 15_000

export function AlertsCard({ tenant }: { tenant: string | undefined }) {
  const list = usePaged<BudgetAlertView>(
    '/api/budget-alerts',
    { tenant },
    { refetchMs: REFRESH_MS },
  )
  const rows = list.data?.pages.flatMap((page) => page.rows)
  return (
    <DataTable
      title="What was told"
      note="once for each crossing in a period, the newest first"
      name="budget-alerts"
      columns={useColumns()}
      rows={rows}
      rowId={({ id }) => id}
      error={list.error}
      onRetry={() => void list.refetch()}
      empty="Alerts appear here, at 50, 80 and 100 % of a budget and when it will be used up before it renews, unless somebody says otherwise."
      footer={
        <NextPage list={list} isAlone>
          Older ones
        </NextPage>
      }
    />
  )
}

function useColumns(): Column<BudgetAlertView>[] {
  const names = useTenantNames()
  return [
    { title: 'Told', show: ({ at }) => moment(at), csv: ({ at }) => at },
    {
      title: 'Tenant',
      show: ({ tenantId, tenantName }) => (
        <TenantName name={tenantName} hue={names.get(tenantId)?.hue ?? -1} />
      ),
      csv: ({ tenantName }) => tenantName,
    },
    { title: 'Budget', show: ({ budgetName }) => budgetName, csv: ({ budgetName }) => budgetName },
    { title: 'What', show: whatInWords, csv: whatInWords },
    { title: 'E-mails', show: mailsInWords, csv: mailsInWords },
  ]
}

function whatInWords({ percent, emptyAt }: BudgetAlertView): string {
  return emptyAt === null ? `${percent}\u00a0% is spent` : emptyInWords(emptyAt)
}

function emptyInWords({ expected, earliest, latest }: NonNullable<BudgetAlertView['emptyAt']>) {
  const until = latest === null ? 'its renewal, or not at all' : moment(latest)
  return `at this pace empty on ${moment(expected)}, between ${moment(earliest)} and ${until}`
}

function mailsInWords({ mails }: BudgetAlertView): string {
  if (mails.length === 0) return 'to nobody'
  const of = (state: string) => mails.filter((mail) => mail.state === state)
  const [failed] = [...of('failed'), ...of('due').filter(({ reason }) => reason !== null)]
  const words = [
    ...(of('delivered').length > 0 ? [`${of('delivered').length} delivered`] : []),
    ...(of('due').length > 0 ? [`${of('due').length} waiting`] : []),
    ...(of('failed').length > 0 ? [`${of('failed').length} given up`] : []),
  ]
  return `${listed(words)}${failed?.reason == null ? '' : `: ${failed.reason}`}`
}

export function AlertSettings({ budget, onClose }: { budget: BudgetView; onClose: () => void }) {
  const path = `/api/budgets/${budget.id}/alerts`
  const { data, error, refetch } = useQuery({
    queryKey: [path],
    queryFn: ({ signal }) => get<BudgetAlertsView>(path, signal),
  })
  if (data !== undefined) return <Form path={path} budget={budget} now={data} onClose={onClose} />
  if (error === null) return <LoadingRows rows={3} />
  return <ErrorNote error={error} onRetry={() => void refetch()} />
}

interface FormProps {
  path: string
  budget: BudgetView
  now: BudgetAlertsView
  onClose: () => void
}

function Form({ path, budget, now, onClose }: FormProps) {
  const mayWrite = useMay('budgets:write')
  const save = useChange<BudgetAlertsView>([path], onClose)
  const [command, setCommand] = useState(`gristmill budget alerts ${budget.id}`)
  const given = (form: FormData) => ({
    percents: wordsOf(textOf(form, 'percents')).map(Number),
    emails: wordsOf(textOf(form, 'emails')),
    onForecast: form.get('onForecast') !== null,
  })
  const tell = (form: FormData) => {
    const { percents, emails, onForecast } = given(form)
    const flags = [
      `--percent ${percents.join(',') || 'none'}`,
      `--email ${emails.join(',') || 'none'}`,
      onForecast ? '--forecast' : '--no-forecast',
    ]
    setCommand(['gristmill budget alerts', budget.id, ...flags].join(' '))
  }
  return (
    <form
      onSubmit={onSubmit((form) => save.mutate({ method: 'PUT', path, body: given(form) }))}
      onChange={(event) => tell(new FormData(event.currentTarget))}
      className="grid gap-3.5"
    >
      <p className="text-soft">{outlookInWords(now.outlook, budget)}</p>
      <fieldset disabled={!mayWrite} className="grid gap-3.5">
        <Field
          label="At these per cent of the limit"
          name="percents"
          defaultValue={now.percents.join(', ')}
          pattern="\s*(([1-9]\d?|100)([\s,]+([1-9]\d?|100))*)?\s*"
          inputMode="numeric"
          hint="With commas; none where it is empty."
          data-first
        />
        <label className="flex items-baseline gap-2 text-[0.84rem]">
          <input type="checkbox" name="onForecast" defaultChecked={now.onForecast} />
          Also when it will be used up before it renews
        </label>
        <Field
          label="E-mails to"
          name="emails"
          defaultValue={now.emails.join(', ')}
          placeholder="finance@example.org"
          hint="With commas. The webhook of the tenant is always told, where it has one."
        />
      </fieldset>
      {save.error !== null && <ErrorNote error={save.error} />}
      <CliCommand command={command} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{mayWrite ? 'Cancel' : 'Close'}</Button>
        {mayWrite && (
          <Button look="main" type="submit" disabled={save.isPending}>
            Save
          </Button>
        )}
      </div>
    </form>
  )
}

const wordsOf = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '')

function outlookInWords({ kind, emptyAt, steps }: BudgetAlertsView['outlook'], budget: BudgetView) {
  const unit = budget.period === 'day' ? 'hour' : 'day'
  if (emptyAt !== null) {
    const words = emptyInWords(emptyAt)
    return `${words.charAt(0).toUpperCase()}${words.slice(1)}, nine times out of ten; from the last ${plural(steps, unit)}.`
  }
  if (kind === 'lasts')
    return `At the pace of the last ${plural(steps, unit)} it lasts until it renews.`
  if (kind === 'few') {
    const cycle = budget.period === 'day' ? '24 hours' : '7 days'
    return `Too little data to say when it is used up: ${plural(steps, `whole ${unit}`)} seen, a forecast needs ${cycle}.`
  }
  return 'When it is used up is not forecast: it renews too soon, is for end users, or has nothing left.'
}
