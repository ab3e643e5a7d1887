/** The price book as pages and forms read it. */
import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import type { PriceBookView, PriceView } from '../api/contract.ts'

export function usePriceBook() {
  return useQuery({
    queryKey: ['/api/prices'],
    queryFn: ({ signal }) => get<PriceBookView>('/api/prices', signal),
    refetchInterval: 30_000,
  })
}

/** What a price is for: `small, batch, for partner`. */
export function scopeInWords({ model, serviceClass, plan }: PriceView): string {
  const parts = [
    model === '*' ? 'any model' : model,
    ...(serviceClass === null ? [] : [serviceClass]),
    ...(plan === null ? [] : [`for ${plan}`]),
  ]
  return parts.join(', ')
}
