/** An address that leads nowhere. */
import { Link } from 'wouter'
import { PageHead } from '../parts/page-head.tsx'

export default function NotFound() {
  return (
    <PageHead
      sentence="There is no page at this address."
      context={
        <>
          What you look for may have been removed.{' '}
          <Link href="/" className="text-accent underline">
            Back to the mill floor
          </Link>
        </>
      }
    />
  )
}
