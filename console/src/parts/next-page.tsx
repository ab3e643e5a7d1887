/** The button below a long list that fetches more of it; nothing where all of it is there. */
import { Button } from './button.tsx'

export interface NextPageProps {
  /** As `usePaged` gives it. */
  list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => Promise<unknown> }
  /** True where nothing stands beside it. */
  isAlone?: boolean
  /** What comes, such as “Older requests”. */
  children: string
}

export function NextPage({ list, isAlone = false, children }: NextPageProps) {
  if (!list.hasNextPage) return null
  const button = (
    <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
      {children}
    </Button>
  )
  return isAlone ? <div className="mt-3 text-center">{button}</div> : button
}
