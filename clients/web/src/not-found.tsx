import { type ReactNode, useEffect, useRef } from 'react';
import { Link, useSearch } from 'wouter';

/** A heading that takes the focus, so that screen readers announce the page, and sets the document's title. */
export const PageHeading = ({ title, children }: { title: string; children?: ReactNode }) => {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
    document.title = `${title} – Tributary desk`;
    return () => {
      document.title = 'Tributary desk';
    };
  }, [title]);
  return (
    <h2 ref={heading} tabIndex={-1}>
      {children ?? title}
    </h2>
  );
};

/** The page for an unknown URL. */
export const NotFound = ({ title, children }: { title: string; children: ReactNode }) => {
  const search = useSearch();
  return (
    <article className="not-found">
      <PageHeading title={title} />
      <p>{children}</p>
      <p>
        <Link href={search ? `/?${search}` : '/'}>Show all customers</Link>
      </p>
    </article>
  );
};
