/** How every page begins: the state of things in a sentence, its size below, actions beside it. */
import type { ReactNode } from 'react'

export interface PageHeadProps {
  sentence: ReactNode
  /** True where there is nothing to say the sentence from, and nothing comes any more. */
  isLost?: boolean
  context: ReactNode
  aside?: ReactNode
}

export function PageHead({ sentence, isLost = false, context, aside }: PageHeadProps) {
  return (
    <header className="mb-5 flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
      <div className="min-h-[3.4rem] min-w-0 flex-[1_1_24rem]">
        <h1 className="max-w-[70ch]">
          {isLost ? 'What stands here cannot be seen right now.' : sentence}
        </h1>
        <p className="mt-1 text-soft">{context}</p>
      </div>
      {aside !== undefined && <div className="flex flex-wrap items-center gap-2">{aside}</div>}
    </header>
  )
}
