/** Routes for people: inviting, roles and tenants, removing. */
import { createRoute, z } from '@hono/zod-openapi'
import {
  type Api,
  answer,
  body,
  idParam,
  mapPage,
  needs,
  nothing,
  pageFrom,
  pageOfSchema,
  pageQuery,
  schemas,
} from './api.ts'
import type { UserView } from './contract.ts'
import { type People, type Person, personChange, personInput } from './people.ts'
import type { HttpOptions } from './services.ts'

const tags = ['users']

export interface PeopleParts {
  people: People
  /** The page on which a one-time link is used. */
  linkTo: (token: string) => string
}

const listPeople = createRoute({
  ...needs('users:read'),
  tags,
  method: 'get',
  path: '/api/users',
  summary: 'People, in order of creation',
  request: { query: z.object(pageQuery) },
  responses: { 200: answer('A page of people.', pageOfSchema(schemas.person)) },
})

const invitePerson = createRoute({
  ...needs('users:write'),
  tags,
  method: 'post',
  path: '/api/users',
  summary: 'Invite somebody; hand the one-time link over yourself',
  request: { body: body(personInput) },
  responses: { 201: answer('The person and the link.', schemas.personInvited) },
})

const invitePersonAgain = createRoute({
  ...needs('users:write'),
  tags,
  method: 'post',
  path: '/api/users/{id}/invite',
  summary: 'A new one-time link, such as after a forgotten password',
  request: { params: idParam },
  responses: { 200: answer('The person and the link.', schemas.personInvited) },
})

const changePerson = createRoute({
  ...needs('users:write'),
  tags,
  method: 'patch',
  path: '/api/users/{id}',
  summary: 'Change name, role or tenants; what is not named stays',
  request: { params: idParam, body: body(personChange) },
  responses: { 200: answer('The person as they are now.', schemas.person) },
})

const removePerson = createRoute({
  ...needs('users:write'),
  tags,
  method: 'delete',
  path: '/api/users/{id}',
  summary: 'Remove somebody; their sessions end at once',
  request: { params: idParam },
  responses: { 204: nothing },
})

const makeOwnerLink = createRoute({
  ...needs('users:write'),
  tags,
  method: 'post',
  path: '/api/link/owner',
  summary: 'A one-time link that makes an owner; the one before stops working',
  responses: { 200: answer('The link.', z.object({ link: z.string() })) },
})

/** @param api where the routes are added */
export function peopleRoutes(api: Api, { limits }: HttpOptions, parts: PeopleParts): void {
  const { people, linkTo } = parts
  api.openapi(listPeople, async (c) => {
    const page = await people.list(pageFrom(c.req.valid('query'), limits))
    return c.json(mapPage(page, personView), 200)
  })
  api.openapi(invitePerson, async (c) => {
    const { person, token } = await people.invite(c.req.valid('json'), c.get('access').actor)
    return c.json({ ...personView(person), link: linkTo(token) }, 201)
  })
  api.openapi(invitePersonAgain, async (c) => {
    const { id } = c.req.valid('param')
    const token = await people.inviteAgain(id, c.get('access').actor)
    return c.json({ ...personView(await people.get(id)), link: linkTo(token) }, 200)
  })
  api.openapi(changePerson, async (c) => {
    const { id } = c.req.valid('param')
    const changed = await people.change(id, c.req.valid('json'), c.get('access').actor)
    return c.json(personView(changed), 200)
  })
  api.openapi(removePerson, async (c) => {
    await people.remove(c.req.valid('param').id, c.get('access').actor)
    return c.body(null, 204)
  })
  api.openapi(makeOwnerLink, async (c) =>
    c.json({ link: linkTo(await people.ownerLink(c.get('access').actor)) }, 200),
  )
}

const personView = (person: Person): UserView => ({
  ...person,
  createdAt: person.createdAt.toISOString(),
})
