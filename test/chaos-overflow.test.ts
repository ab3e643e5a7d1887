import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chaosOverflow } from '../bench/chaos-overflow.ts'

describe('an own engine that cannot keep up beside a rented service', () => {
  it('overflows for those who may, within what they may spend, and books every answer', async () => {
    const { arms } = await chaosOverflow({ seconds: 4 })
    const told = JSON.stringify(arms, null, 2)
    const [off, on] = arms
    assert.ok(off && on, told)
    assert.equal(off.rentedServed + off.rentedGivenUp, 0, told)
    const of = (name: string) => on.tenants.find((one) => one.name === name)
    assert.ok((of('Allowed')?.rented ?? 0) > 0, told)
    assert.equal(of('Never')?.rented, 0, told)
    for (const { errors, rented, toldRented, spendNanos, allowanceNanos } of on.tenants) {
      assert.equal(errors, 0, told)
      assert.equal(toldRented, rented, told)
      assert.ok(spendNanos <= allowanceNanos, told)
    }
    const sum = on.tenants.reduce((total, { rented }) => total + rented, 0)
    assert.equal(sum, on.rentedServed, told)
  })
})
