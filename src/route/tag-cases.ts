/**
 * Requests told apart by their tags: every combination of the tags that routes name, and
 * combinations put together again to say whom something is for. Pure.
 */
import type { RequestFacts, Route } from './types.ts'

export interface TagName {
  /** Whose tag it is. */
  of: 'key' | 'request'
  tag: string
}

/** A tag that requests have, or have not. */
export interface TagSign extends TagName {
  has: boolean
}

/** All tags that a condition names. */
export function tagNamesIn(sides: readonly Route[]): TagName[] {
  const conditions = sides.flatMap(({ targets }) => targets.map(({ when }) => when))
  const named = (of: TagName['of'], tags: readonly string[]) =>
    [...new Set(tags)].map((tag) => ({ of, tag }))
  return [
    ...named(
      'key',
      conditions.flatMap(({ keyTags }) => keyTags ?? []),
    ),
    ...named(
      'request',
      conditions.flatMap(({ requestTags }) => requestTags ?? []),
    ),
  ]
}

/** Combinations of tags; each has a number, whose binary digits say which tags it has. */
export const casesOf = (names: readonly TagName[]): number => 2 ** names.length

export function tagsInCase(
  names: readonly TagName[],
  number: number,
): Pick<RequestFacts, 'keyTags' | 'requestTags'> {
  const present = names.filter((_, at) => (number >> at) & 1)
  const tags = (of: TagName['of']) => present.filter((one) => one.of === of).map(({ tag }) => tag)
  return { keyTags: tags('key'), requestTags: tags('request') }
}

/**
 * Combinations in few words: alternatives of which exactly one is true of each of them, and none of
 * any other. Pairs that differ in one tag become one without it.
 * @returns empty where all combinations are meant
 */
export function signsOf(names: readonly TagName[], numbers: readonly number[]): TagSign[][] {
  let cubes: (boolean | undefined)[][] = numbers.map((number) =>
    names.map((_, at) => ((number >> at) & 1) === 1),
  )
  for (const at of names.keys()) {
    const pairs = Map.groupBy(cubes, (cube) => JSON.stringify(cube.with(at, undefined)))
    cubes = [...pairs.values()].flatMap((same) => {
      const [first] = same
      return first !== undefined && same.length === 2 ? [first.with(at, undefined)] : same
    })
  }
  const signs = cubes.map((cube) =>
    names.flatMap((name, at) => {
      const has = cube[at]
      return has === undefined ? [] : [{ ...name, has }]
    }),
  )
  return signs.some((one) => one.length === 0) ? [] : signs
}
