/**
 * The shapes that nearly all routes of the admin API have: list, read, create, change, end, and
 * an act upon one thing. What a route does is written beside its use.
 */
import { createRoute, z } from '@hono/zod-openapi'
import { answer, body, idParam, needs, nothing, pageOfSchema, pageQuery } from './api.ts'
import type { Permission } from './permissions.ts'

/** The routes of one kind of thing. */
export class RouteShapes {
  readonly #tags: string[]
  readonly #read: Permission
  readonly #write: Permission

  /** @param tag where they stand in the document */
  constructor(tag: string, read: Permission, write: Permission) {
    this.#tags = [tag]
    this.#read = read
    this.#write = write
  }

  /** A page of rows; `query` are the filters of the list. */
  list<Path extends string, Row extends z.ZodType, Query extends z.ZodRawShape>(
    path: Path,
    summary: string,
    row: Row,
    query: Query,
  ) {
    return createRoute({
      ...needs(this.#read),
      tags: this.#tags,
      method: 'get',
      path,
      summary,
      request: { query: z.object({ ...query, ...pageQuery }) },
      responses: { 200: answer('A page.', pageOfSchema(row)) },
    })
  }

  /** A page of rows that belong to the thing in the path. */
  listOf<Path extends string, Row extends z.ZodType>(path: Path, summary: string, row: Row) {
    return createRoute({
      ...needs(this.#read),
      tags: this.#tags,
      method: 'get',
      path,
      summary,
      request: { params: idParam, query: z.object(pageQuery) },
      responses: { 200: answer('A page.', pageOfSchema(row)) },
    })
  }

  read<Path extends string, View extends z.ZodType>(path: Path, summary: string, view: View) {
    return createRoute({
      ...needs(this.#read),
      tags: this.#tags,
      method: 'get',
      path,
      summary,
      request: { params: idParam },
      responses: { 200: answer('As it is.', view) },
    })
  }

  create<Path extends string, Input extends z.ZodType, View extends z.ZodType>(
    path: Path,
    summary: string,
    input: Input,
    view: View,
  ) {
    return createRoute({
      ...needs(this.#write),
      tags: this.#tags,
      method: 'post',
      path,
      summary,
      request: { body: body(input) },
      responses: { 201: answer('What was made.', view) },
    })
  }

  /** Makes something that belongs to the thing in the path. */
  createIn<Path extends string, Input extends z.ZodType, View extends z.ZodType>(
    path: Path,
    summary: string,
    input: Input,
    view: View,
  ) {
    return createRoute({
      ...needs(this.#write),
      tags: this.#tags,
      method: 'post',
      path,
      summary,
      request: { params: idParam, body: body(input) },
      responses: { 201: answer('What was made.', view) },
    })
  }

  change<Path extends string, Input extends z.ZodType, View extends z.ZodType>(
    path: Path,
    summary: string,
    input: Input,
    view: View,
  ) {
    return createRoute({
      ...needs(this.#write),
      tags: this.#tags,
      method: 'patch',
      path,
      summary: `${summary}; fields that are not named stay`,
      request: { params: idParam, body: body(input) },
      responses: { 200: answer('As it is now.', view) },
    })
  }

  end<Path extends string>(path: Path, summary: string) {
    return createRoute({
      ...needs(this.#write),
      tags: this.#tags,
      method: 'delete',
      path,
      summary,
      request: { params: idParam },
      responses: { 204: nothing },
    })
  }

  /** Does something else with the thing in the path. */
  act<Path extends string, View extends z.ZodType>(path: Path, summary: string, view: View) {
    return createRoute({
      ...needs(this.#write),
      tags: this.#tags,
      method: 'post',
      path,
      summary,
      request: { params: idParam },
      responses: { 200: answer('As it is now.', view) },
    })
  }
}
