// Runs before the first paint, so that a dark page never flashes light.
;(() => {
  let choice = 'system'
  try {
    choice = localStorage.getItem('gristmill.theme') ?? 'system'
  } catch {
    // Storage may be off; then the system decides.
  }
  const isDark =
    choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light'
})()
