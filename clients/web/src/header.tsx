import { useEffect, useId, useState } from 'react';
import { Link } from 'wouter';
import { choosePerson, fetchPeople, type Person, readPerson } from '../../shared/src/people.ts';
import { Account } from './session/account.tsx';
import type { SignIn } from './session/sign-in.ts';
import { chooseTheme, readTheme, THEMES, type Theme } from './theme.ts';

const NAMES: Readonly<Record<Theme, string>> = { system: 'System', light: 'Light', dark: 'Dark' };

export type HeaderProps = {
  name: string;
  /** Undefined where nobody can sign in. */
  session: SignIn | undefined;
  /** Whether the gateway signs tokens for sample people. */
  hasPeople: boolean;
};

/** The header: the product's name, the page's name, the switches, and who uses the desk. */
export const Header = ({ name, session, hasPeople }: HeaderProps) => (
  <header>
    <h1>
      <Link href="/">
        <Mark />
        Tributary <small>{name}</small>
      </Link>
    </h1>
    <div className="switches">
      {hasPeople && <PersonSwitch />}
      <ThemeSwitch />
      {session && <Account session={session} />}
    </div>
  </header>
);

const ThemeSwitch = () => {
  const id = useId();
  const [theme, setTheme] = useState(readTheme);
  const choose = (value: Theme) => {
    setTheme(value);
    chooseTheme(value);
  };
  return (
    <div className="switch">
      <label htmlFor={id}>Theme</label>
      <select id={id} value={theme} onChange={({ target }) => choose(target.value as Theme)}>
        {THEMES.map((value) => (
          <option key={value} value={value}>
            {NAMES[value]}
          </option>
        ))}
      </select>
    </div>
  );
};

/** Selects the sample person as whom the desk is used. */
const PersonSwitch = () => {
  const id = useId();
  const [people, setPeople] = useState<readonly Person[]>([]);
  useEffect(() => {
    void fetchPeople().then(setPeople);
  }, []);
  const choose = (person: string) => {
    choosePerson(person);
    // Nothing of the person before is left.
    location.reload();
  };
  if (people.length === 0) return null;
  return (
    <div className="switch">
      <label htmlFor={id}>Act as</label>
      <select id={id} value={readPerson()} onChange={({ target }) => choose(target.value)}>
        <option value="">Nobody</option>
        {people.map(({ person, name }) => (
          <option key={person} value={person}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
};

/** The logo: three streams that join. */
const Mark = () => (
  <svg
    viewBox="0 0 24 24"
    width="22"
    height="22"
    fill="none"
    stroke="currentColor"
    strokeWidth="2.5"
    aria-hidden="true"
  >
    <path d="M4 3c0 7 8 6 8 12M20 3c0 7-8 6-8 12M12 3v18" strokeLinecap="round" />
  </svg>
);
