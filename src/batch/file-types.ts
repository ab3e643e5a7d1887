/** What a file is to those who read and write one; no behaviour. */

/** What a key may upload files for. */
export const uploadPurposes = ['batch'] as const
export type FilePurpose = (typeof uploadPurposes)[number] | 'batch_output'

/** Whose files: a key sees those of its project. */
export interface FileOwner {
  tenantId: string
  projectId: string
}

/** Who makes a file. */
export interface FileCreator extends FileOwner {
  keyId: string
}

export interface NewFile {
  filename: string
  purpose: FilePurpose
  /** Seconds from its creation to its destruction; the retention of the installation if absent. */
  expiresAfterS?: number | undefined
}

export interface FileRow extends FileCreator {
  id: string
  filename: string
  purpose: FilePurpose
  bytes: number
  createdAt: Date
  expiresAt: Date
}

/** A file that is still being written. */
export interface OpenFile {
  id: string
  tenantId: string
}

export interface FilePageRequest {
  limit: number
  /** Identifier of the last file of the page before. */
  after?: string | undefined
  order: 'asc' | 'desc'
  purpose?: string | undefined
}

export interface FilePage {
  rows: FileRow[]
  hasMore: boolean
}

/** A line of a file, without its end; where it has no text, why. */
export type FileLine = {
  /** From 1. */
  number: number
  /** Position of its first byte in the file. */
  firstByte: number
} & ({ text: string } | { text: undefined; problem: 'too_long' | 'not_utf8' })
