/** Writes the file of a model that is not published as it is used. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeBertModel } from './bert-model.ts'
import { writeWithEightBits } from './gguf-q8.ts'

/**
 * @param folder holds what is published: a GGUF file of 4 bits, or the parts of a BERT model
 * @param path the GGUF file to create or replace; the same bytes for the same parts
 * @throws GristmillError `model_file_invalid` where the parts are no such model
 */
export async function writeFromParts(folder: string, name: string, path: string): Promise<void> {
  const published = (await readdir(folder)).find((file) => file.endsWith('.gguf'))
  if (published === undefined) await writeBertModel(folder, name, path)
  else await writeWithEightBits(join(folder, published), path)
}
