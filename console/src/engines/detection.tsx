/** What an engine says it is, asked while its address is being typed. */
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import { Lightbulb } from 'lucide-react'
import { useEffect, useState } from 'react'
import { change } from '../api/client.ts'
import type { EngineFoundView } from '../api/contract.ts'

/** A pause in typing after which it is asked. */
const PAUSE_MS = 500

export interface EnginePlace {
  url?: string
  service?: string
  apiKey?: string
}

/** Asks for what stands still for a moment and may be an engine. */
export function useDetection(place: EnginePlace): UseQueryResult<EngineFoundView> {
  const text = JSON.stringify(place)
  const [settled, setSettled] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text])
  return useQuery({
    queryKey: ['/api/engines/detect', settled],
    queryFn: () => change<EngineFoundView>('POST', '/api/engines/detect', JSON.parse(settled)),
    enabled: settled === text && mayAnswer(place),
    retry: false,
    // Keys are part of what was asked.
    gcTime: 0,
  })
}

function mayAnswer({ url = '', service, apiKey }: EnginePlace): boolean {
  if (service !== undefined && apiKey === undefined) return false
  if (url === '') return service !== undefined && service !== 'azure' && service !== 'bedrock'
  return /^https?:\/\/[^/]+/.test(url) && URL.canParse(url)
}

export function Found({ detection }: { detection: UseQueryResult<EngineFoundView> }) {
  const { data, error, isFetching } = detection
  if (!isFetching && data === undefined && error === null) return null
  return (
    <div role="status" className="rounded-lg border px-3 py-2 text-[0.82rem]">
      {isFetching && <p className="text-soft">Asking it what it is …</p>}
      {!isFetching && error !== null && <p className="text-bad">{error.message}</p>}
      {!isFetching && data !== undefined && (
        <>
          <p>
            <span className="font-[580] text-good">Found.</span> {data.summary}.
          </p>
          {data.advice !== null && (
            <p className="mt-1.5 flex gap-2 text-soft">
              <Lightbulb size={14} aria-hidden className="mt-0.5 shrink-0 text-warn" />
              <span>{data.advice}</span>
            </p>
          )}
        </>
      )}
    </div>
  )
}
