import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FakeClock } from '../base/index.ts'
import { AttemptThrottle } from './throttle.ts'

it('takes all addresses of one IPv6 network for one, also where zeros are left out', () => {
  for (const network of ['2001:db8:1:2:', '2001:db8::', '2001:db8:1::', '::']) {
    const throttle = new AttemptThrottle(new FakeClock(0))
    const attempt = (host: string) => throttle.begin(`${network}${host}`, null)
    for (let i = 1; i <= 30; i++) attempt(`${i.toString(16)}:5:6:7`)
    assert.throws(() => attempt('ffff:5:6:7'), { code: 'too_many_attempts' })
    throttle.begin('2001:db8:9:9:1:5:6:7', null)
  }
})
