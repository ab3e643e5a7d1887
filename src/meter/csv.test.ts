import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { csvRecord } from './csv.ts'

describe('a CSV record', () => {
  it('quotes what RFC 4180 asks for and ends with CRLF', () => {
    assert.equal(
      csvRecord(['a', 'b,c', 'd"e', 'f\ng', 1.5, null]),
      'a,"b,c","d""e","f\ng",1.5,\r\n',
    )
  })

  it('never begins a text with what a spreadsheet would run', () => {
    for (const text of ['=1+1', '+1', '-A1', '-1+1', '@SUM(A1)', '\t=1', '|calc', '＝1'])
      assert.ok(csvRecord([text]).startsWith(`'${text[0]}`), text)
    assert.equal(csvRecord(['=a,"b']), `"'=a,""b"\r\n`)
    assert.equal(csvRecord(['\r=1']), `"'\r=1"\r\n`)
  })

  it('leaves numbers as they are', () => {
    assert.equal(csvRecord([-1, 0, '-0.000000001', '-12']), '-1,0,-0.000000001,-12\r\n')
  })
})
