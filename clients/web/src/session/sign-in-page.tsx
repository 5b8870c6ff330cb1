import { useReactiveVar } from '@apollo/client/react';
import { PageHeading } from '../not-found.tsx';
import type { SignIn } from './sign-in.ts';

/** The page in place of the desk while nobody is signed in, with the reason if a sign-in has failed. */
export const SignInPage = ({ session: { state, signIn, isRequired } }: { session: SignIn }) => {
  const { problem } = useReactiveVar(state);
  return (
    <article className="not-found">
      <PageHeading title="Sign in" />
      {problem ? (
        <p role="alert" className="notice missing">
          {problem}
        </p>
      ) : (
        <p>Sign in to see customers, payments, deals and stock.</p>
      )}
      <p>
        <button type="button" className="primary" onClick={() => void signIn()}>
          Sign in
        </button>
      </p>
      {!isRequired && (
        <p>
          <a href="/desk/">Continue without signing in</a>
        </p>
      )}
    </article>
  );
};
