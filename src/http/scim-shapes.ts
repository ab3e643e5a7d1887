/** SCIM resources as directories write and read them, and what they may ask about the service. */
import { z } from 'zod'
import { checked, type GristmillError } from '../base/index.ts'
import type { Resource } from './scim-patch.ts'

export const SCIM_ROOT = '/scim/v2'
export const SCIM_TYPE = 'application/scim+json'

const CORE = 'urn:ietf:params:scim:schemas:core:2.0'
const MESSAGES = 'urn:ietf:params:scim:api:messages:2.0'
export const USER = `${CORE}:User`
export const GROUP = `${CORE}:Group`

/** Entra ID sends "True" and "False". */
const flag = z.union([
  z.boolean(),
  z
    .string()
    .toLowerCase()
    .pipe(z.enum(['true', 'false']))
    .transform((text) => text === 'true'),
])
const text = z.string().max(300)
const optionalText = text.nullish()

const userShape = z.object({
  userName: text.min(1),
  externalId: optionalText,
  displayName: optionalText,
  name: z
    .object({ formatted: optionalText, givenName: optionalText, familyName: optionalText })
    .nullish(),
  emails: z
    .array(z.object({ value: optionalText, primary: flag.nullish() }))
    .max(20)
    .nullish(),
  active: flag.nullish(),
})

const groupShape = z.object({
  displayName: text.min(1),
  externalId: optionalText,
  members: z
    .array(z.object({ value: text.min(1) }))
    .max(50_000)
    .nullish(),
})

const address = z.email().max(200).toLowerCase()

export interface ScimUserInput {
  userName: string
  externalId: string | null
  name: string
  email: string
  isActive: boolean
}

export interface ScimGroupInput {
  displayName: string
  externalId: string | null
  memberIds: string[]
}

/**
 * What a directory says of somebody. The address is the primary one, the first, or the user name.
 * @throws GristmillError `invalid_value`
 */
export function userFrom(resource: Resource): ScimUserInput {
  const user = checked(userShape, resource)
  const { userName, emails, name, displayName } = user
  const primary = emails?.find((one) => one.primary === true) ?? emails?.[0]
  const parts = [name?.givenName, name?.familyName].filter((part) => part).join(' ')
  const title = displayName || name?.formatted || parts || userName
  return {
    userName,
    externalId: user.externalId ?? null,
    name:
      title
        .replace(/\p{Cc}/gu, ' ')
        .trim()
        .slice(0, 100) || userName,
    email: checked(z.object({ emails: address }), { emails: primary?.value || userName }).emails,
    isActive: user.active ?? true,
  }
}

/** @throws GristmillError `invalid_value` */
export function groupFrom(resource: Resource): ScimGroupInput {
  const { displayName, externalId, members } = checked(groupShape, resource)
  const memberIds = [...new Set((members ?? []).map(({ value }) => value))]
  return { displayName, externalId: externalId ?? null, memberIds }
}

export interface ScimMeta {
  id: string
  createdAt: Date
  updatedAt: Date
}

export interface ScimUser extends ScimMeta, ScimUserInput {
  groups: { id: string; displayName: string }[]
}

export interface ScimGroup extends ScimMeta, Omit<ScimGroupInput, 'memberIds'> {
  members: { id: string; email: string }[]
}

export function userResource(user: ScimUser, root: string): Resource {
  const { id, userName, externalId, name, email, isActive, groups } = user
  return {
    schemas: [USER],
    id,
    ...(externalId !== null && { externalId }),
    userName,
    displayName: name,
    name: { formatted: name },
    emails: [{ value: email, type: 'work', primary: true }],
    active: isActive,
    groups: groups.map((group) => ({
      value: group.id,
      display: group.displayName,
      $ref: `${root}/Groups/${group.id}`,
    })),
    meta: metaOf('User', user, `${root}/Users/${id}`),
  }
}

/** @param withMembers false where the directory asked to leave them out */
export function groupResource(group: ScimGroup, root: string, withMembers: boolean): Resource {
  const { id, displayName, externalId, members } = group
  return {
    schemas: [GROUP],
    id,
    ...(externalId !== null && { externalId }),
    displayName,
    ...(withMembers && {
      members: members.map((member) => ({
        value: member.id,
        display: member.email,
        $ref: `${root}/Users/${member.id}`,
      })),
    }),
    meta: metaOf('Group', group, `${root}/Groups/${id}`),
  }
}

function metaOf(resourceType: string, { createdAt, updatedAt }: ScimMeta, location: string) {
  const [created, lastModified] = [createdAt.toISOString(), updatedAt.toISOString()]
  return { resourceType, created, lastModified, location }
}

export const listResponse = (resources: Resource[], total: number, startIndex: number) => ({
  schemas: [`${MESSAGES}:ListResponse`],
  totalResults: total,
  startIndex,
  itemsPerPage: resources.length,
  Resources: resources,
})

const kinds: Record<string, string> = {
  filter: 'invalidFilter',
  path: 'invalidPath',
}

/** An error in SCIM's own shape (RFC 7644 §3.12). */
export function scimErrorBody(error: GristmillError): Resource {
  const { status, message, code, details } = error
  const kind =
    code === 'conflict'
      ? 'uniqueness'
      : code === 'invalid_json'
        ? 'invalidSyntax'
        : (kinds[String(details.param)] ?? 'invalidValue')
  return {
    schemas: [`${MESSAGES}:Error`],
    status: String(status),
    ...([400, 409].includes(status) && { scimType: kind }),
    detail: message,
  }
}

/** @param root address of the service, with `/scim/v2` */
export function serviceProviderConfig(root: string, pageMax: number): Resource {
  return {
    schemas: [`${CORE}:ServiceProviderConfig`],
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults: pageMax },
    changePassword: { supported: false },
    sort: { supported: false },
    etag: { supported: false },
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'Bearer token',
        description: 'A key with the scope scim.',
        primary: true,
      },
    ],
    meta: { resourceType: 'ServiceProviderConfig', location: `${root}/ServiceProviderConfig` },
  }
}

const types = [
  { id: 'User', endpoint: '/Users', schema: USER },
  { id: 'Group', endpoint: '/Groups', schema: GROUP },
]

export const resourceTypes = (root: string): Resource[] =>
  types.map(({ id, endpoint, schema }) => ({
    schemas: [`${CORE}:ResourceType`],
    id,
    name: id,
    endpoint,
    schema,
    meta: { resourceType: 'ResourceType', location: `${root}/ResourceTypes/${id}` },
  }))

const attribute = (name: string, changes: Resource = {}): Resource => ({
  name,
  type: 'string',
  multiValued: false,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  ...changes,
})
const listOf = (name: string, ...subAttributes: Resource[]): Resource =>
  attribute(name, { type: 'complex', multiValued: true, subAttributes })

export const scimSchemas = (root: string): Resource[] =>
  [
    {
      id: USER,
      name: 'User',
      attributes: [
        attribute('userName', { required: true, uniqueness: 'server' }),
        attribute('displayName'),
        attribute('name', {
          type: 'complex',
          subAttributes: ['formatted', 'givenName', 'familyName'].map((name) => attribute(name)),
        }),
        listOf('emails', attribute('value'), attribute('primary', { type: 'boolean' })),
        attribute('active', { type: 'boolean' }),
        { ...listOf('groups', attribute('value')), mutability: 'readOnly' },
      ],
    },
    {
      id: GROUP,
      name: 'Group',
      attributes: [
        attribute('displayName', { required: true, uniqueness: 'server' }),
        listOf('members', attribute('value')),
      ],
    },
  ].map((schema) => ({
    schemas: [`${CORE}:Schema`],
    ...schema,
    meta: { resourceType: 'Schema', location: `${root}/Schemas/${schema.id}` },
  }))
