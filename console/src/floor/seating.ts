/** Gives every running request a fixed place, so that a slot on the screen stays one request. */
import type { SlotView } from '../api/contract.ts'

export type Seats = readonly (string | null)[]

/**
 * @param before places as they were
 * @param slots requests that run now, in any order
 * @param cap ordinary places; express ones follow
 * @returns places as they are; longer than `cap + express` only where more runs than that
 */
export function seat(
  before: Seats,
  slots: readonly Pick<SlotView, 'requestId' | 'express'>[],
  cap: number,
  express: number,
): Seats {
  const running = new Set(slots.map(({ requestId }) => requestId))
  const seats = Array.from({ length: cap + express }, (_, place) => {
    const id = before[place]
    return id !== undefined && id !== null && running.has(id) ? id : null
  })
  const seated = new Set(seats)
  for (const { requestId, express: isExpress } of slots) {
    if (seated.has(requestId)) continue
    const place = freePlace(seats, cap, isExpress)
    seats[place] = requestId
  }
  return seats.length === before.length && seats.every((id, place) => id === before[place])
    ? before
    : seats
}

function freePlace(seats: readonly (string | null)[], cap: number, isExpress: boolean): number {
  const express = seats.indexOf(null, cap)
  if (isExpress && express !== -1) return express
  const any = seats.indexOf(null)
  return any === -1 ? seats.length : any
}
