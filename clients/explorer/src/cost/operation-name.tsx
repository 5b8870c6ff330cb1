const TAIL_MAX = 30;

/**
 * An operation's name, truncated if there is no room. A provider's names start alike (`POST /crm/objects/…`) and differ
 * at the end, so the last parts stay visible. The title has the full name.
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
 * Returns where the last parts of a name start: as many path segments or camel-case words as fit in `TAIL_MAX`
 * characters. A version such as `/2026-09` does not start a part.
 */
const splitAt = (name: string): number => {
  const parts = name.includes('/') ? /\/(?!v?\d)/g : /(?<=[a-z])(?=[A-Z])/g;
  return [...name.matchAll(parts)].find(({ index }) => index > 0 && name.length - index <= TAIL_MAX)?.index ?? 0;
};
