export default function Request(_: { id: string }) {
  return null
}
