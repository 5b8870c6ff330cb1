import { SetContextLink } from '@apollo/client/link/context';

/*
 * In development, the gateway signs tokens for sample people. The desk can be used as one of them.
 */

export type Person = { readonly person: string; readonly name: string };

const KEY = 'tributary:person';

/** The person as whom this tab uses the desk; empty for none. */
export const readPerson = (): string => {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
};

/** Uses the desk as another person. Loads the page again, so that nothing of the one before is left. */
export const choosePerson = (person: string): void => {
  sessionStorage.setItem(KEY, person);
  location.reload();
};

/** Returns the people; empty where the gateway signs no tokens. */
export const fetchPeople = async (): Promise<readonly Person[]> => {
  try {
    const response = await fetch('/auth/development/people');
    return response.ok ? ((await response.json()) as readonly Person[]) : [];
  } catch {
    return [];
  }
};

type Token = { readonly access_token: string; readonly expires_in: number };

/** Time before its expiry at which a token is replaced, in milliseconds. */
const RENEW_BEFORE_MS = 60_000;

let token: Promise<string> | undefined;
let renewAt = 0;

const fetchToken = async (person: string): Promise<string> => {
  const response = await fetch('/auth/development/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ person }),
  });
  if (!response.ok) throw new Error('The gateway gave no token.');
  const { access_token: text, expires_in: seconds } = (await response.json()) as Token;
  renewAt = Date.now() + seconds * 1_000 - RENEW_BEFORE_MS;
  return text;
};

const tokenOf = (person: string): Promise<string> => {
  if (token && Date.now() < renewAt) return token;
  // Until it is there, all operations wait for the same one.
  renewAt = Number.POSITIVE_INFINITY;
  token = fetchToken(person);
  token.catch(() => {
    renewAt = 0;
  });
  return token;
};

/** Adds the person's token to each operation. */
export const tokenLink = new SetContextLink(async ({ headers }) => {
  const person = readPerson();
  return person ? { headers: { ...headers, authorization: `Bearer ${await tokenOf(person)}` } } : {};
});
