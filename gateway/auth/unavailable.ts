/** Credentials cannot be verified right now: what they are compared with cannot be read. */
export class AuthenticationUnavailableError extends Error {
  override readonly name = 'AuthenticationUnavailableError';
}
