/*
 * In development, the gateway signs tokens for sample people. The pages can be used as one of them.
 */

export type Person = { readonly person: string; readonly name: string };

const KEY = 'tributary:person';

/** The person as whom this tab uses the pages; empty for none. */
export const readPerson = (): string => {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
};

/** Uses the pages in this tab as another person from now on; empty for none. */
export const choosePerson = (person: string): void => sessionStorage.setItem(KEY, person);

/** Returns the people; empty if they cannot be read. */
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

let token: { readonly person: string; readonly text: Promise<string> } | undefined;
let renewAt = 0;

const fetchToken = async (person: string): Promise<string> => {
  const response = await fetch('/auth/development/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ person }),
  });
  if (!response.ok) throw new Error('The gateway gave no token.');
  const { access_token: text, expires_in: seconds } = (await response.json()) as Token;
  if (token?.person === person) renewAt = Date.now() + seconds * 1_000 - RENEW_BEFORE_MS;
  return text;
};

const tokenOf = (person: string): Promise<string> => {
  if (token?.person === person && Date.now() < renewAt) return token.text;
  // Until it is there, all operations wait for the same one.
  renewAt = Number.POSITIVE_INFINITY;
  const text = fetchToken(person);
  token = { person, text };
  text.catch(() => {
    if (token?.text === text) renewAt = 0;
  });
  return text;
};

/** Returns a valid token of the chosen person; undefined if there is none. Throws if the gateway gives no token. */
export const getPersonToken = async (): Promise<string | undefined> => {
  const person = readPerson();
  return person ? tokenOf(person) : undefined;
};
