const TAIL_MAX = 30;

/**
 * An operation's name where there may be no room for it. Names of one provider begin alike (`POST /crm/objects/…`) and differ
 * at their ends, so it is cut before its last parts; the whole of it is its title.
 */
export const OperationName = ({ name }: { name: string }) => {
  const at = splitAt(name);
  return (
    <span className="tributary-name" title={name}>
      {at > 0 && <span className="head">{name.slice(0, at)}</span>}
      <span className="tail">{name.slice(at)}</span>
    </span>
  );
};

/**
 * Where the last parts of a name begin: as many of its path, or words of its camel case, as are short together. A version, such
 * as `/2026-09`, begins none.
 */
const splitAt = (name: string): number => {
  const parts = name.includes('/') ? /\/(?!v?\d)/g : /(?<=[a-z])(?=[A-Z])/g;
  return [...name.matchAll(parts)].find(({ index }) => index > 0 && name.length - index <= TAIL_MAX)?.index ?? 0;
};
