import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseFilter, patched, patchInput, type Resource } from './scim-patch.ts'

const anna = {
  userName: 'anna@example.org',
  active: true,
  name: { givenName: 'Anna', familyName: 'Miller' },
  emails: [{ value: 'anna@example.org', type: 'work', primary: true }],
  members: [{ value: 'a' }, { value: 'b' }],
}
const after = (...operations: unknown[]) =>
  patched(anna, patchInput.parse({ Operations: operations }).Operations)

describe('a change as Entra ID sends it', () => {
  it('has capitals, texts for truth, and paths', () => {
    assert.equal(after({ op: 'Replace', path: 'active', value: 'False' }).active, 'False')
    const renamed = after({ op: 'Add', path: 'name.givenName', value: 'Anne' })
    assert.deepEqual(renamed.name, { givenName: 'Anne', familyName: 'Miller' })
    const path = 'emails[type eq "work"].value'
    const moved = after({ op: 'Replace', path, value: 'anne@example.org' })
    assert.equal((moved.emails as Resource[])[0]?.value, 'anne@example.org')
    const home = after({ op: 'Add', path: 'emails[type eq "home"].value', value: 'h@x.org' })
    assert.deepEqual((home.emails as Resource[])[1], { type: 'home', value: 'h@x.org' })
  })

  it('adds and removes members by their values', () => {
    const added = after({ op: 'Add', path: 'members', value: [{ value: 'b' }, { value: 'c' }] })
    assert.deepEqual(added.members, [{ value: 'a' }, { value: 'b' }, { value: 'c' }])
    const removed = after({ op: 'Remove', path: 'members', value: [{ value: 'a' }] })
    assert.deepEqual(removed.members, [{ value: 'b' }])
  })

  it('may name several attributes, some as paths, without a path', () => {
    const value = { displayName: 'Anne', 'name.familyName': 'Baker', active: false }
    const changed = after({ op: 'replace', value })
    assert.equal(changed.displayName, 'Anne')
    assert.deepEqual(changed.name, { givenName: 'Anna', familyName: 'Baker' })
    assert.equal(changed.active, false)
  })
})

describe('a change as Okta sends it', () => {
  it('deactivates without a path, and never changes the id', () => {
    const changed = after({ op: 'replace', value: { id: 'other', active: false } })
    assert.equal(changed.active, false)
    assert.equal('id' in changed, false)
  })

  it('removes one member by a filter, and replaces all', () => {
    const one = after({ op: 'remove', path: 'members[value eq "a"]' })
    assert.deepEqual(one.members, [{ value: 'b' }])
    const all = after({ op: 'replace', path: 'members', value: [{ value: 'z' }] })
    assert.deepEqual(all.members, [{ value: 'z' }])
    assert.deepEqual(after({ op: 'remove', path: 'members' }).members, [])
  })
})

describe('any change', () => {
  it('leaves what it is made from as it was', () => {
    const before = structuredClone(anna)
    after({ op: 'remove', path: 'name.givenName' }, { op: 'remove', path: 'emails' })
    assert.deepEqual(anna, before)
  })

  it('finds attributes whatever their case', () => {
    assert.equal(after({ op: 'replace', path: 'USERNAME', value: 'x' }).userName, 'x')
    const urn = 'urn:ietf:params:scim:schemas:core:2.0:User:userName'
    assert.equal(after({ op: 'replace', path: urn, value: 'y' }).userName, 'y')
  })

  it('that makes no sense is refused with what is wrong', () => {
    const wrong = (operation: object, param: string) =>
      assert.throws(
        () => after(operation),
        (error: { code?: string; details?: { param?: string } }) =>
          error.code === 'invalid_value' && error.details?.param === param,
      )
    wrong({ op: 'replace', value: 'x' }, 'value')
    wrong({ op: 'remove' }, 'value')
    wrong({ op: 'replace', path: 'a b c', value: 'x' }, 'path')
    wrong({ op: 'remove', path: 'members[value co "a"]' }, 'filter')
    assert.equal(patchInput.safeParse({ Operations: [{ op: 'move' }] }).success, false)
  })
})

describe('a filter', () => {
  it('is an attribute and what it equals', () => {
    assert.deepEqual(parseFilter('userName eq "a\\"b"'), { attribute: 'userName', value: 'a"b' })
    assert.deepEqual(parseFilter('active EQ true'), { attribute: 'active', value: 'true' })
    assert.throws(() => parseFilter('userName sw "a"'), { code: 'invalid_value' })
    assert.throws(() => parseFilter('userName eq "a" and id eq "b"'), { code: 'invalid_value' })
  })
})
