import { useEffect, useId, useState } from 'react';
import { Link } from 'wouter';
import { choosePerson, fetchPeople, type Person, readPerson } from './person.ts';
import { chooseTheme, readTheme, THEMES, type Theme } from './theme.ts';

const NAMES: Readonly<Record<Theme, string>> = { system: 'System', light: 'Light', dark: 'Dark' };

/** The header: the product's name, the page's name and the switches. */
export const Header = ({ name }: { name: string }) => (
  <header>
    <h1>
      <Link href="/">
        <Mark />
        Tributary <small>{name}</small>
      </Link>
    </h1>
    <div className="switches">
      <PersonSwitch />
      <ThemeSwitch />
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

/** Selects the sample person as whom the desk is used. Not there unless the gateway signs their tokens. */
const PersonSwitch = () => {
  const id = useId();
  const [people, setPeople] = useState<readonly Person[]>([]);
  useEffect(() => {
    void fetchPeople().then(setPeople);
  }, []);
  if (people.length === 0) return null;
  return (
    <div className="switch">
      <label htmlFor={id}>Act as</label>
      <select id={id} value={readPerson()} onChange={({ target }) => choosePerson(target.value)}>
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
