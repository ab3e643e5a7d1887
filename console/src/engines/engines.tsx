export default function Engines() {
  return null
}
