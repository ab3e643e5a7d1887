/**
 * Admission of one request: the model or the route behind its name, the bound of its answer, and
 * its charge against the rates. What is refused here has asked for no slot and is not booked.
 */
import type { GristmillError } from '../base/index.ts'
import type { PriceInForce } from '../meter/index.ts'
import type { Route } from '../route/index.ts'
import { type CanonicalRequest, outputTokensMax } from './canonical.ts'
import { courseFor } from './course.ts'
import type { LifeOptions } from './life-types.ts'
import { modelFor } from './model-list.ts'
import type { Standing } from './standing.ts'
import { defaultBound } from './ticket-request.ts'
import type { RateLimiter } from './token-rate.ts'
import type { GatewayOptions, ModelDirectory, ModelEntry, Prices } from './types.ts'

/** What an answer without a bound is charged against a rate until its length is known. */
const OUTPUT_TOKENS_EXPECTED = 256

type AdmissionOptions =
  | 'routes'
  | 'places'
  | 'allowances'
  | 'prices'
  | 'clock'
  | 'random'
  | 'limits'

export interface Admission extends Pick<GatewayOptions, AdmissionOptions> {
  /** What clients can name: routes and models. */
  models: ModelDirectory
  /** What engines serve. */
  engineModels: ModelDirectory
  rates: RateLimiter
}

/** How a request came, whatever it asks. */
export type Arrival = Pick<
  LifeOptions,
  | 'reply'
  | 'line'
  | 'recording'
  | 'guarding'
  | 'principal'
  | 'requestId'
  | 'arrivedAtMs'
  | 'arrivedMonotonicMs'
>

/**
 * What the life of a request begins with.
 * @throws GristmillError `model_not_found`, `model_retired`, `no_target`, `rate_limited`, …
 */
export function admitted(
  admission: Admission,
  asked: CanonicalRequest,
  standing: Standing,
  given: Arrival,
): LifeOptions {
  const { principal } = given
  const named = modelFor(admission.models, principal, asked.model)
  const course = courseFor(admission, asked, principal, standing)
  const request = course === undefined ? asked : course.withDefaults(asked)
  const model =
    course === undefined ? named : (admission.engineModels.find(course.target.model) ?? named)
  mayBeAsked(asked, request, model)
  const outputTokensDefault = defaultBound(request, model, admission.limits.outputTokensDefault)
  const outputMax = outputTokensMax(request, outputTokensDefault)
  const input = request.estimatedInputTokens
  const expected =
    outputTokensDefault === null ? outputMax : Math.min(outputMax, OUTPUT_TOKENS_EXPECTED)
  return {
    requestId: given.requestId,
    principal,
    request,
    standing,
    reply: given.reply,
    line: given.line,
    recording: given.recording,
    guarding: given.guarding,
    course,
    price: priceFor(admission.prices, asked, course?.route, standing, given),
    hold: null,
    charge: admission.rates.charge(principal, input, input + expected),
    outputTokensDefault,
    arrivedAtMs: given.arrivedAtMs,
    arrivedMonotonicMs: given.arrivedMonotonicMs,
  }
}

/** What a request is charged by, whoever will answer it; null: nothing. */
export function priceFor(
  prices: Prices,
  { model }: Pick<CanonicalRequest, 'model'>,
  route: Route | undefined,
  { serviceClass }: Pick<Standing, 'serviceClass'>,
  { principal, arrivedAtMs }: Pick<Arrival, 'principal' | 'arrivedAtMs'>,
): PriceInForce | null {
  const plan = principal.policy.pricePlan
  return prices.find({ model, route: route?.name, serviceClass, plan }, arrivedAtMs)
}

/** @throws GristmillError where nobody who can be asked understands it */
function mayBeAsked(asked: CanonicalRequest, request: CanonicalRequest, model: ModelEntry): void {
  const untranslatable: GristmillError | undefined = asked.ownWords?.untranslatable
  if (untranslatable === undefined) return
  if (request.ownWords === undefined || model.speaksMessages !== true) throw untranslatable
}
