/**
 * Lists of names as PostgreSQL writes arrays, for `${textArray(names)}::text[]`: never by way of
 * `::text`, since such a cast is no constant and the whole list would be read anew for every row.
 */

/** One parameter whatever the length, and a value by which the planner can count its elements. */
export function textArray(names: readonly string[]): string {
  return `{${names.map((name) => `"${name.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`
}
