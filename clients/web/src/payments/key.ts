/** A name for one attempt that nobody else uses: 128 random bits. `randomUUID` is missing where there is no HTTPS. */
export const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
