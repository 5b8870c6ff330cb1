import { Fragment } from 'react';

/** An email address that breaks only before an `@` or a dot, never within a word. */
export const Email = ({ address }: { address: string }) => (
  <a className="email" href={`mailto:${encodeURIComponent(address).replaceAll('%40', '@')}`}>
    {address.split(/(?=[@.])/).map((part, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of an address have no id.
      <Fragment key={index}>
        {index > 0 && <wbr />}
        {part}
      </Fragment>
    ))}
  </a>
);
