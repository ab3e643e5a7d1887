/** Routes for people: inviting, roles and tenants, removing. */
import { createRoute, z } from '@hono/zod-openapi'
import { GristmillError } from '../base/index.ts'
import { type Api, answer, mapPage, needs, pageFrom, schemas } from './api.ts'
import type { UserView } from './contract.ts'
import { type People, type Person, personChange, personInput } from './people.ts'
import { RouteShapes } from './route-shapes.ts'
import type { HttpOptions } from './services.ts'

export interface PeopleParts {
  people: People
  /** The page on which a one-time link is used. */
  linkTo: (token: string) => string
}

const makeOwnerLink = createRoute({
  ...needs('users:write'),
  tags: ['users'],
  method: 'post',
  path: '/api/link/owner',
  summary: 'A one-time link that makes an owner; the one before stops working',
  responses: { 200: answer('The link.', z.object({ link: z.string() })) },
})

/** @param api where the routes are added */
export function peopleRoutes(api: Api, options: HttpOptions, parts: PeopleParts): void {
  const { people, linkTo } = parts
  const { limits, passwordLogin, issuer } = options
  const refuseInvitation = () => {
    if (passwordLogin) return
    const reason = `Passwords are switched off: people sign in with ${issuer?.options.name}, and rules for their groups let them in`
    throw new GristmillError('conflict', { reason })
  }
  const shapes = new RouteShapes('users', 'users:read', 'users:write')
  const invited = schemas.personInvited
  api.openapi(
    shapes.list('/api/users', 'People, in order of creation', schemas.person, {}),
    async (c) => {
      const page = await people.list(pageFrom(c.req.valid('query'), limits))
      return c.json(mapPage(page, personView), 200)
    },
  )
  api.openapi(
    shapes.create(
      '/api/users',
      'Invite somebody; hand the one-time link over yourself',
      personInput,
      invited,
    ),
    async (c) => {
      refuseInvitation()
      const { person, token } = await people.invite(c.req.valid('json'), c.get('access').actor)
      return c.json({ ...personView(person), link: linkTo(token) }, 201)
    },
  )
  api.openapi(
    shapes.act(
      '/api/users/{id}/invite',
      'A new one-time link, as for a forgotten password',
      invited,
    ),
    async (c) => {
      refuseInvitation()
      const { id } = c.req.valid('param')
      const token = await people.inviteAgain(id, c.get('access').actor)
      return c.json({ ...personView(await people.get(id)), link: linkTo(token) }, 200)
    },
  )
  api.openapi(
    shapes.change('/api/users/{id}', 'Change name, role or tenants', personChange, schemas.person),
    async (c) => {
      const { id } = c.req.valid('param')
      const changed = await people.change(id, c.req.valid('json'), c.get('access').actor)
      return c.json(personView(changed), 200)
    },
  )
  api.openapi(
    shapes.end('/api/users/{id}', 'Remove somebody; their sessions end at once'),
    async (c) => {
      await people.remove(c.req.valid('param').id, c.get('access').actor)
      return c.body(null, 204)
    },
  )
  api.openapi(makeOwnerLink, async (c) =>
    c.json({ link: linkTo(await people.ownerLink(c.get('access').actor)) }, 200),
  )
}

const personView = (person: Person): UserView => ({
  ...person,
  createdAt: person.createdAt.toISOString(),
})
