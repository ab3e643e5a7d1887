/** Where the console begins. */
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import './theme.css'
import { App } from './app.tsx'

const element = document.getElementById('app')
if (element === null) throw new Error('The page has no element #app.')
createRoot(element).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
