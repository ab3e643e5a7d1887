/**
 * What stands in place of a page that cannot be drawn: without it nothing at all would be there.
 * That happens when a page's file is gone, since the server was updated or does not answer.
 */
import { Component, type ReactNode } from 'react'
import { Button } from '../parts/button.tsx'
import { PageHead } from '../parts/page-head.tsx'

interface PageBoundaryProps {
  children: ReactNode
  className?: string
}

export class PageBoundary extends Component<PageBoundaryProps, { error: Error | null }> {
  override state: { error: Error | null } = { error: null }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  override render() {
    const { error } = this.state
    if (error === null) return this.props.children
    return (
      <div className={this.props.className}>
        <PageHead
          sentence="This page could not be shown."
          context="The server may have been updated while the console was open, or does not answer."
        />
        <div role="alert">
          <Button onClick={() => location.reload()}>Load it again</Button>
          <p className="mt-3 text-[0.78rem] text-soft">{error.message}</p>
        </div>
      </div>
    )
  }
}
