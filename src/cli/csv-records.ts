/** Reads comma-separated values as RFC 4180 has them, of any size, record by record. */

/** @param text in parts, however they are cut */
export async function* csvRecords(
  text: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<string[]> {
  let record: string[] = []
  let field = ''
  let isQuoted = false
  /** A quote within quotes ends them, unless another one follows. */
  let wasQuote = false
  let isEmpty = true
  for await (const part of text) {
    for (const character of part) {
      if (isQuoted && wasQuote) {
        wasQuote = false
        isQuoted = character === '"'
        if (isQuoted) {
          field += character
          continue
        }
      }
      if (isQuoted) {
        if (character === '"') wasQuote = true
        else field += character
      } else if (character === '"' && field === '') {
        isQuoted = true
        isEmpty = false
      } else if (character === ',') {
        record.push(field)
        field = ''
        isEmpty = false
      } else if (character === '\n') {
        if (!isEmpty || field !== '') yield [...record, field]
        record = []
        field = ''
        isEmpty = true
      } else if (character !== '\r' && character !== '\ufeff') field += character
    }
  }
  if (!isEmpty || field !== '') yield [...record, field]
}
