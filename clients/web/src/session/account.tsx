import { useReactiveVar } from '@apollo/client/react';
import type { SignIn } from './sign-in.ts';

/** Shows the signed-in person and a button to sign out, or else a button to sign in. */
export const Account = ({ session: { state, signIn, signOut } }: { session: SignIn }) => {
  const { isSignedIn, name } = useReactiveVar(state);
  if (!isSignedIn) {
    return (
      <button type="button" onClick={() => void signIn()}>
        Sign in
      </button>
    );
  }
  return (
    <div className="switch account">
      {name && <span title={`Signed in as ${name}`}>{name}</span>}
      <button type="button" onClick={signOut}>
        Sign out
      </button>
    </div>
  );
};
