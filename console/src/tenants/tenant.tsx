export default function Tenant(_: { id: string }) {
  return null
}
