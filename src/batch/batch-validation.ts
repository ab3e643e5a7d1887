/**
 * Looks through the whole input before anything runs: every line must be a request that the
 * creator's key may make, with an identifier of its own. One line in memory at a time.
 */
import { GristmillError, type Limits } from '../base/index.ts'
import type { BodyLimits, DoorPath, ReadAtDoor } from '../gateway/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { BatchError, BatchRow } from './batch-types.ts'
import type { FileStore } from './file-store.ts'
import { type InputLine, isBlank, lineError, modelIn, readLine } from './line-format.ts'

/** Checks a line as the request it will be. */
export type CheckLine = (door: DoorPath, body: Buffer, principal: Principal) => ReadAtDoor

export interface Validation {
  linesTotal: number
  /** The model of all lines; null where they name several. */
  model: string | null
  /** What is wrong, at most `ERRORS_MAX`; nothing may run unless it is empty. */
  errors: BatchError[]
}

const ERRORS_MAX = 100
/** Characters looked at between two turns of the event loop; a few milliseconds' worth. */
const CHARACTERS_PER_TURN = 256 * 1024

export interface ValidationOptions {
  files: FileStore
  limits: BodyLimits & Pick<Limits, 'batchLinesMax'>
  check: CheckLine
  /** True of a model that is not there and will come back, as far as is known. */
  isAway: (model: string) => Promise<boolean>
  /** Lets others go on. */
  turn: () => Promise<void>
}

/** @throws GristmillError `not_found` where the input file is gone; what the database throws */
export async function validateInput(
  batch: BatchRow,
  principal: Principal,
  { files, limits, check, isAway, turn }: ValidationOptions,
): Promise<Validation> {
  const customIds = new Map<string, number>()
  const models = new Set<string>()
  const errors: BatchError[] = []
  let linesTotal = 0
  let characters = 0
  const lineBytesMax = limits.bodyBytesMax
  for await (const line of files.lines(batch, batch.inputFileId, { lineBytesMax })) {
    if (isBlank(line)) continue
    if (++linesTotal > limits.batchLinesMax) {
      const reason = `the file may have ${limits.batchLinesMax} lines`
      errors.push(fileError('too_many_lines', `input_file_id: ${reason}.`))
      break
    }
    const read = () => readLine(line, batch.endpoint, limits)
    const error = problemOf(line.number, read, customIds, (body) => {
      models.add(check(batch.endpoint, body, principal).request.model)
    })
    const missing = error?.code === 'model_not_found' ? modelIn(line) : null
    if (missing !== null && (await isAway(missing))) models.add(missing)
    else if (error !== undefined) errors.push(error)
    if (errors.length >= ERRORS_MAX) break
    characters += line.text?.length ?? 0
    if (characters >= CHARACTERS_PER_TURN) {
      characters = 0
      await turn()
    }
  }
  if (linesTotal === 0) errors.push(fileError('empty_file', 'The input file has no lines.'))
  const [model = null] = models
  return { linesTotal, model: models.size === 1 ? model : null, errors }
}

function problemOf(
  number: number,
  read: () => InputLine,
  customIds: Map<string, number>,
  checkBody: (body: Buffer) => void,
): BatchError | undefined {
  let prefix = ''
  try {
    const { customId, body } = read()
    const first = customIds.get(customId)
    if (first !== undefined) return duplicate(number, first)
    customIds.set(customId, number)
    prefix = 'body.'
    checkBody(body)
    return undefined
  } catch (error) {
    if (!(error instanceof GristmillError)) throw error
    return lineError(number, error, prefix)
  }
}

function duplicate(line: number, first: number): BatchError {
  const message = `custom_id: line ${first} has the same.`
  return { code: 'duplicate_custom_id', line, message, param: 'custom_id' }
}

const fileError = (code: string, message: string): BatchError => ({
  code,
  line: null,
  message,
  param: 'input_file_id',
})
