/** The plan of the person who looks: read while it is worked out, begun, asked about, stopped. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { change, csrfHeaders, failureOf, get, noAnswer } from '../api/client.ts'
import type { PlanChangeView, PlanEngineView, PlanInputView, PlanView } from '../api/contract.ts'
import { address } from '../api/lists.ts'

const PATH = '/api/plan'
const key = [PATH]
const RUNNING_MS = 500

export function usePlan() {
  return useQuery({
    queryKey: key,
    queryFn: ({ signal }) => get<PlanView | null>(PATH, signal),
    refetchInterval: ({ state }) => (state.data?.state === 'running' ? RUNNING_MS : false),
  })
}

export function usePlanEngines() {
  return useQuery({
    queryKey: [`${PATH}/engines`],
    queryFn: ({ signal }) => get<PlanEngineView[]>(`${PATH}/engines`, signal),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

export interface NewPlan {
  source: PlanInputView['source']
  /** Of `source: 'trace'`: a file, or what was pasted. */
  trace: Blob | null
  name: string | null
  hours: number
  engine: string
  ttftP99Ms: number
  costPerEngineHour: number | null
}

export function useStartPlan() {
  return useTaken((plan: NewPlan) => start(plan))
}

export function useAskPlan() {
  return useTaken((asked: PlanChangeView) =>
    change<PlanView>('POST', `${PATH}/what-if`, { change: asked }),
  )
}

export function useStopPlan() {
  return useTaken(() => change<PlanView | null>('DELETE', PATH))
}

/** A change whose answer is the plan as it is from now on. */
function useTaken<Asked>(run: (asked: Asked) => Promise<PlanView | null>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: run,
    onSuccess: (view) => client.setQueryData(key, view),
  })
}

/** A trace goes out as it is: it may be large, and is no JSON. */
async function start({ trace, source, hours, ...rest }: NewPlan): Promise<PlanView> {
  const query = {
    source,
    engine: rest.engine,
    ttftP99Ms: String(rest.ttftP99Ms),
    hours: source === 'ledger' ? String(hours) : undefined,
    name: source === 'trace' ? (rest.name ?? undefined) : undefined,
    costPerEngineHour: rest.costPerEngineHour === null ? undefined : String(rest.costPerEngineHour),
  }
  const response = await fetch(address(PATH, query), {
    method: 'POST',
    headers: { ...csrfHeaders(), 'content-type': 'text/csv' },
    credentials: 'same-origin',
    body: source === 'trace' ? trace : null,
  }).catch(() => {
    throw noAnswer()
  })
  if (!response.ok) throw await failureOf(response)
  return (await response.json()) as PlanView
}
