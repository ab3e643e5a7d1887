/** Tags of keys and requests: what one looks like is the same wherever they are written. */
import { z } from 'zod'

const TAGS_MAX = 16
/** Small letters only, since a tag that differs in its case would be missed in silence. */
const TAG = /^[a-z0-9][a-z0-9._:/-]{0,63}$/

export const tagsSchema = z
  .array(z.string().regex(TAG, 'a tag is 1 to 64 small letters, digits or any of . _ : / -'))
  .max(TAGS_MAX)

/** The tags of a list with commas; undefined where one of them is none, or there are too many. */
export function tagsOf(text: string): string[] | undefined {
  const words = text.split(',').map((word) => word.trim())
  return tagsSchema.safeParse(words.filter(Boolean)).data
}
