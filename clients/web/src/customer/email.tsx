import { Fragment } from 'react';

/** An e-mail address that a line breaks before an `@` or a dot, and never within a word. */
export const Email = ({ address }: { address: string }) => (
  <a className="email" href={`mailto:${encodeURIComponent(address).replaceAll('%40', '@')}`}>
    {address.split(/(?=[@.])/).map((part, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of an address have no other name.
      <Fragment key={index}>
        {index > 0 && <wbr />}
        {part}
      </Fragment>
    ))}
  </a>
);
