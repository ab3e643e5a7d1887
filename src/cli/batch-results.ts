/** The answers of a batch that has ended, copied as they come: to standard output or to files. */
import { createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GristmillError } from '../base/index.ts'
import type { BatchClient, BatchSight } from './batch-client.ts'
import { progressOf, statusOf } from './batch-text.ts'
import type { AdminClient } from './client.ts'
import { type CliContext, ExitWith, show } from './context.ts'
import { bytes, count } from './units.ts'

export interface ResultFlags {
  json?: true
  output?: string
  errors?: string
}

interface Written {
  path: string
  bytes: number
}

/**
 * Writes the answers, and where asked for the lines that failed.
 * @throws ExitWith where there is nothing to write yet, or ever
 * @throws GristmillError `invalid_value` where a file cannot be written
 */
export async function copyResults(
  context: CliContext,
  client: AdminClient,
  batches: BatchClient,
  id: string,
  flags: ResultFlags,
): Promise<void> {
  const { terminal } = context
  const batch = await batches.own(id)
  const why = withoutFiles(batch)
  if (why !== undefined) {
    terminal.note(terminal.paint('red', 'gristmill: ') + why)
    throw new ExitWith(1)
  }
  const { output: outputPath, errors: errorsPath } = flags
  const errors =
    errorsPath === undefined ? null : await writeFileTo(client, batch.errorFileId, errorsPath)
  const output =
    outputPath === undefined ? null : await writeFileTo(client, batch.outputFileId, outputPath)
  if (output === null) await printFile(context, client, batch.outputFileId)
  else {
    const { status, lines } = batch
    show(context, flags, { id: batch.id, status, lines, output, errors }, () => {
      terminal.print(`${count(lines.completed)} answers in ${output.path} (${bytes(output.bytes)})`)
    })
  }
  if (errors?.bytes === 0) terminal.note(`Every line has its answer; ${errors.path} is empty.`)
  else if (errors) terminal.note(`Lines without an answer are in ${errors.path}.`)
  else if (batch.errorFileId) terminal.note('Some lines have no answer: --errors FILE says why.')
}

function withoutFiles(batch: BatchSight): string | undefined {
  const { id, endedAt, outputFileId, errorFileId } = batch
  if (endedAt === null) {
    const state = `${statusOf(batch)}, ${progressOf(batch)}`
    return `${id} has not ended (${state}) — its answers are there when it has: gristmill batch watch ${id}`
  }
  if (outputFileId !== null || errorFileId !== null) return undefined
  return `${id} is ${statusOf(batch)} and has no answers — gristmill batch status ${id} says why.`
}

const contentOf = (client: AdminClient, fileId: string) =>
  client.open('GET', `/v1/files/${encodeURIComponent(fileId)}/content`)

async function printFile(
  { terminal }: CliContext,
  client: AdminClient,
  fileId: string | null,
): Promise<void> {
  if (fileId === null) return
  const { body } = await contentOf(client, fileId)
  if (body === null) return
  for await (const text of body.pipeThrough(new TextDecoderStream())) terminal.write(text)
}

/**
 * Writes beside the place and moves there when all of it has come, so that a half file is never
 * taken for a whole one. A file without lines is made where there is none at the server.
 */
async function writeFileTo(
  client: AdminClient,
  fileId: string | null,
  path: string,
): Promise<Written> {
  const body = fileId === null ? null : (await contentOf(client, fileId)).body
  const partial = `${path}.part`
  try {
    await pipeline(body ?? Readable.from([]), createWriteStream(partial))
    await rename(partial, path)
    return { path, bytes: (await stat(path)).size }
  } catch (cause) {
    await rm(partial, { force: true })
    const { code, message } = cause as NodeJS.ErrnoException
    const reason =
      code === undefined
        ? `it did not come to its end (${message})`
        : `it cannot be written (${code})`
    throw new GristmillError('invalid_value', { param: path, reason }, { cause })
  }
}
