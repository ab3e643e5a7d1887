/**
 * Statements as FOCUS (FinOps Open Cost and Usage Specification): its columns, and a row for each
 * line that is billed. https://focus.finops.org
 */
import { decimalOf, dividedHalfEven, nanosOfBooked } from '../base/index.ts'
import type { StatementDetailView } from './contract.ts'

export const focusVersions = ['1.3', '1.2'] as const
export type FocusVersion = (typeof focusVersions)[number]

/** `decimal`: at most nine places; `time`: whole seconds of UTC. */
export type FocusType = 'text' | 'decimal' | 'time'

export interface FocusColumn {
  name: string
  type: FocusType
}

/** Who operates the installation is not known to it. */
const PROVIDER = 'Gristmill'

interface Charge {
  amount: string
  quantity: string
  unit: string
  description: string
  resourceId: string
  resourceType: string
  service: string
  sku: string
  meter: string
  /** What it is a part of, and how that was shared; null: it is no part of anything. */
  allocated: { from: string; method: string; ratio: string } | null
  project: string | null
  /** Less to pay; it has no quantity, and is no part of what things are listed at. */
  isCredit?: true
}

type DiscountLine = NonNullable<
  NonNullable<StatementDetailView['content']>['discounts']
>['lines'][number]

type Value = (view: StatementDetailView, charge: Charge) => string | null

const amountOf: Value = (_, { amount }) => amount
const currencyOf: Value = ({ currency }) => currency
const unitPriceOf: Value = (_, { amount, quantity }) => unitPrice(amount, quantity)
const provider: Value = () => PROVIDER
const none: Value = () => null
const ofUse =
  (value: Value): Value =>
  (view, charge) =>
    charge.isCredit ? null : value(view, charge)

const values: Record<string, Value> = {
  AllocatedMethodDetails: (_, { allocated, quantity, unit }) =>
    allocated &&
    // Numbers stand as they are booked: a float could not hold all their places.
    `{"Elements":[{"AllocatedRatio":${allocated.ratio},"UsageUnit":"${unit}",` +
      `"UsageQuantity":${quantity}}]}`,
  AllocatedMethodId: (_, { allocated }) => allocated?.method ?? null,
  AllocatedResourceId: (_, { allocated }) => allocated?.from ?? null,
  AllocatedResourceName: (_, { allocated }) => allocated?.from ?? null,
  AllocatedTags: none,
  BilledCost: amountOf,
  BillingAccountId: () => 'gristmill',
  BillingAccountName: provider,
  BillingAccountType: () => 'Installation',
  BillingCurrency: currencyOf,
  BillingPeriodEnd: ({ toAt }) => utc(toAt),
  BillingPeriodStart: ({ fromAt }) => utc(fromAt),
  ChargeCategory: (_, { isCredit }) => (isCredit ? 'Credit' : 'Usage'),
  ChargeClass: none,
  ChargeDescription: (_, { description }) => description,
  ChargeFrequency: (_, { isCredit }) => (isCredit ? 'Recurring' : 'Usage-Based'),
  ChargePeriodEnd: ({ toAt }) => utc(toAt),
  ChargePeriodStart: ({ fromAt }) => utc(fromAt),
  ConsumedQuantity: ofUse((_, { quantity }) => decimal(quantity)),
  ConsumedUnit: ofUse((_, { unit }) => unit),
  ContractedCost: amountOf,
  ContractedUnitPrice: ofUse(unitPriceOf),
  EffectiveCost: amountOf,
  HostProviderName: provider,
  // Not a number alone: tools that guess types take that for one.
  InvoiceId: ({ number }) => `statement-${number}`,
  InvoiceIssuerName: provider,
  ListCost: (_, { amount, isCredit }) => (isCredit ? '0' : amount),
  ListUnitPrice: ofUse(unitPriceOf),
  PricingCategory: ofUse(() => 'Standard'),
  PricingCurrency: currencyOf,
  PricingQuantity: ofUse((_, { quantity }) => decimal(quantity)),
  PricingUnit: ofUse((_, { unit }) => unit),
  ProviderName: provider,
  PublisherName: provider,
  ResourceId: ofUse((_, { resourceId }) => resourceId),
  ResourceName: ofUse((_, { resourceId }) => resourceId),
  ResourceType: ofUse((_, { resourceType }) => resourceType),
  ServiceCategory: () => 'AI and Machine Learning',
  ServiceName: (_, { service }) => service,
  ServiceProviderName: provider,
  ServiceSubcategory: () => 'Generative AI',
  SkuId: ofUse((_, { sku }) => sku),
  SkuMeter: ofUse((_, { meter }) => meter),
  SkuPriceId: ofUse((_, { sku }) => sku),
  SubAccountId: ({ tenantId }) => tenantId,
  SubAccountName: ({ tenantName }) => tenantName,
  SubAccountType: () => 'Tenant',
  Tags: (_, { project }) => (project === null ? null : JSON.stringify({ project })),
}

const addedIn13 = new Set([
  'AllocatedMethodDetails',
  'AllocatedMethodId',
  'AllocatedResourceId',
  'AllocatedResourceName',
  'AllocatedTags',
  'HostProviderName',
  'ServiceProviderName',
])

/** @returns in their order; 1.3 keeps what it deprecates of 1.2, so its columns are all */
export function focusColumns(version: FocusVersion): FocusColumn[] {
  return Object.keys(values)
    .filter((name) => version === '1.3' || !addedIn13.has(name))
    .map((name) => ({ name, type: typeOf(name) }))
}

function typeOf(name: string): FocusType {
  if (/(Cost|UnitPrice|Quantity)$/.test(name)) return 'decimal'
  return /Period(Start|End)$/.test(name) ? 'time' : 'text'
}

/** Rows of one statement, in the columns given; a credit note takes all back and has none. */
export function focusRows(
  view: StatementDetailView,
  columns: readonly FocusColumn[],
): (string | null)[][] {
  const chosen = columns.map(({ name }) => values[name] ?? none)
  return chargesOf(view).map((charge) => chosen.map((value) => value(view, charge)))
}

function chargesOf({ content }: StatementDetailView): Charge[] {
  if (content === null) return []
  const { basis, costs, overflow, usage, discounts, allocation } = content
  if (basis === 'prices') {
    const used = usage.map(
      ({ projectId, model, serviceClass, requests, charge }): Charge => ({
        amount: charge,
        quantity: String(requests),
        unit: 'Requests',
        description: `Requests for ${model} in the class ${serviceClass}`,
        resourceId: model,
        resourceType: 'Model',
        service: 'Model requests',
        sku: `${model}/${serviceClass}`,
        meter: 'Requests',
        allocated: null,
        project: projectId,
      }),
    )
    return [...used, ...(discounts?.lines.map(creditOf) ?? [])]
  }
  const engines = costs.map(({ engineId, kind, cause, engineS, amount }): Charge => {
    const ratio = unitPrice(amount, allocation.engineCost)
    return {
      amount,
      quantity: engineS,
      unit: 'Engine Seconds',
      description: `Engine ${engineId}: ${kind} ${cause}`.trim(),
      resourceId: engineId,
      resourceType: 'Engine',
      service: 'Model engines',
      sku: `engine/${engineId}`,
      meter: kind,
      allocated: { from: 'engines', method: `engine-time/${allocation.rule}`, ratio },
      project: null,
    }
  })
  const rented = overflow.map(
    ({ target, model, requests, amount }): Charge => ({
      amount,
      quantity: String(requests),
      unit: 'Requests',
      description: `Requests for ${model} that ${target} answered`,
      resourceId: target,
      resourceType: 'Rented model',
      service: 'Rented models',
      sku: `rented/${target}`,
      meter: 'Requests',
      allocated: null,
      project: null,
    }),
  )
  return [...engines, ...rented]
}

function creditOf({ kind, method, month, terms, amount }: DiscountLine): Charge {
  const none = { resourceId: '', resourceType: '', sku: '', meter: '', quantity: '', unit: '' }
  const what = kind === 'allowance' ? 'Free' : 'Discount'
  return {
    ...none,
    amount,
    description: `${what} in ${month}: ${method} (terms ${terms})`,
    service: 'Model requests',
    allocated: null,
    project: null,
    isCredit: true,
  }
}

/** To nine places; 0 where there is nothing. */
function unitPrice(amount: string, quantity: string): string {
  const by = nanosOfBooked(quantity)
  return by === 0n ? '0' : decimalOf(dividedHalfEven(nanosOfBooked(amount) * 10n ** 9n, by))
}

/** With a decimal, so that tools that guess types never take a column for whole numbers. */
const decimal = (text: string) => (text.includes('.') ? text : `${text}.0`)

/** Seconds are whole: periods are of minutes. */
const utc = (iso: string) => `${iso.slice(0, 19)}Z`
