/** The millstone. */
export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg
      aria-hidden
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      className="text-accent"
    >
      <circle cx="12" cy="12" r="9.4" />
      <circle cx="12" cy="12" r="2.2" />
      <path d="M12 9.8c0-3 1.6-5.1 4.3-6.1M14.2 12c3 0 5.1 1.6 6.1 4.3M12 14.2c0 3-1.6 5.1-4.3 6.1M9.8 12c-3 0-5.1-1.6-6.1-4.3" />
    </svg>
  )
}
