/** Several gateways at one database: who lives, who schedules, and how requests get there. */
export { Member, type MemberOptions, type MemberRole } from './member.ts'
