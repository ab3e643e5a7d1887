/** Home: the pool as it is now. */
import { useQueryClient } from '@tanstack/react-query'
import { Fragment, lazy, Suspense, useEffect } from 'react'
import { useCalmFeed } from '../api/live.ts'
import { sessionKey, useMay } from '../api/session.ts'
import { Card } from '../parts/card.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { clockTime } from '../units.ts'
import { Capacity } from './capacity.tsx'
import { Demo } from './demo.tsx'
import { FeedPill } from './feed-pill.tsx'
import { FirstTokens } from './first-tokens.tsx'
import { floorContext, floorSentence } from './floor-sentence.ts'
import { HeadlineFigures } from './headline-figures.tsx'
import { Shares } from './shares.tsx'
import { Stones } from './stones.tsx'
import { Waiting } from './waiting.tsx'

const BatchStrip = lazy(() => import('../batches/batch-strip.tsx'))

export function MillFloor() {
  useSessionCheck()
  const mayRunDemo = useMay('demo:run')
  const maySeeBatches = useMay('batches:read')
  return (
    <>
      <Head />
      <div className="grid gap-4">
        <LiveFigures />
        <div className="grid gap-4 lg:grid-cols-[1.55fr_1fr]">
          <Stones />
          <Shares />
        </div>
        <div className="grid gap-4 lg:grid-cols-[1.55fr_1fr]">
          <Capacity />
          <FirstTokens />
        </div>
        {maySeeBatches && (
          <Suspense fallback={<Card title="Batches in progress"> </Card>}>
            <BatchStrip />
          </Suspense>
        )}
        <Waiting />
        <Demo mayRun={mayRunDemo} />
      </div>
    </>
  )
}

/** A feed that ends may have ended with the session; the session says. */
function useSessionCheck(): void {
  const client = useQueryClient()
  const isLost = useCalmFeed().state.kind === 'lost'
  useEffect(() => {
    if (isLost) void client.invalidateQueries({ queryKey: sessionKey })
  }, [isLost, client])
}

function LiveFigures() {
  const { floor, state } = useCalmFeed()
  return <HeadlineFigures floor={floor} isStale={state.kind === 'lost'} />
}

function Head() {
  const { floor, state } = useCalmFeed()
  if (floor === null) {
    const isLost = state.kind === 'lost'
    return (
      <PageHead
        sentence={isLost ? 'The mill floor cannot be seen right now.' : 'Looking at the pool.'}
        context={isLost ? 'The server does not answer; this page tries again by itself.' : ' '}
        aside={<FeedPill />}
      />
    )
  }
  const { before, emphasis, tone, after } = floorSentence(floor)
  const was = state.kind === 'lost' ? `As it was at ${clockTime(floor.atMs)}: ` : ''
  return (
    <PageHead
      sentence={
        <Fragment>
          {was}
          {before}
          <em className={`not-italic ${tone === 'bad' ? 'text-bad' : 'text-accent'}`}>
            {emphasis}
          </em>
          {after}
        </Fragment>
      }
      context={
        floor.toyModel
          ? `${floorContext(floor)} · toy model: answers are noise, everything else is real`
          : floorContext(floor)
      }
      aside={<FeedPill />}
    />
  )
}
