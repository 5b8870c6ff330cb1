import { useEffect, useId, useState } from 'react';
import { choosePerson, fetchPeople, type Person, readPerson } from '../../shared/src/people.ts';
import { refreshEstimate } from './cost/estimate.ts';
import { readSettings } from './settings.ts';

/** Returns the sample people; none where the gateway signs no tokens. */
const readPeople = async (): Promise<readonly Person[]> => ((await readSettings()).hasPeople ? fetchPeople() : []);

/** Selects the sample person as whom operations are run from now on. */
export const ActAs = () => {
  const id = useId();
  const [people, setPeople] = useState<readonly Person[]>([]);
  const [person, setPerson] = useState(readPerson);
  useEffect(() => {
    readPeople().then(setPeople, () => {});
  }, []);
  if (people.length === 0) return null;
  const choose = (value: string) => {
    choosePerson(value);
    setPerson(value);
    refreshEstimate();
  };
  return (
    <span className="tributary-person">
      <label htmlFor={id}>Act as</label>
      <select id={id} value={person} onChange={({ target }) => choose(target.value)}>
        <option value="">Nobody</option>
        {people.map(({ person: value, name }) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </span>
  );
};
