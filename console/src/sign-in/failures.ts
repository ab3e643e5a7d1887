/** Why signing in with the identity provider did not work, by the code that it came back with. */
const words: Record<string, string> = {
  no_rule_fits:
    'Your account is fine, but none of its groups may use this pool. Ask an owner to add a rule for one of them.',
  account_deactivated: 'Your account is deactivated. Ask whoever runs the directory.',
  account_not_linked:
    'Somebody here has your address and a password, and the provider does not vouch for it. Sign in with the password, or ask an owner to remove that user.',
  identity_provider_unreachable: 'The identity provider cannot be asked at the moment. Try again.',
  too_many_attempts: 'Too many attempts came from your address. Wait a quarter of an hour.',
  not_ready: 'The pool cannot reach its database at the moment. Try again.',
}

/** @returns a sentence; for a code that is not known, the most that can be said */
export const failureInWords = (code: string): string =>
  words[code] ?? 'The provider’s answer could not be used. Try again.'
