import { useReactiveVar } from '@apollo/client/react';
import { Route, Switch, useLocation, useRoute } from 'wouter';
import { CustomerPage } from './customer/customer-page.tsx';
import { CustomerList } from './customers/customer-list.tsx';
import { Header, type HeaderProps } from './header.tsx';
import { NotFound } from './not-found.tsx';
import { Banners } from './outages/banners.tsx';
import type { SignIn } from './session/sign-in.ts';
import { SignInPage } from './session/sign-in-page.tsx';
import { Toasts } from './toasts/toasts.tsx';

/** Decodes a part of the URL; returns it unchanged if it is malformed. */
const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

type DeskProps = Omit<HeaderProps, 'name'>;

/** The desk, or the page to sign in where that is needed. */
export const Desk = (props: DeskProps) =>
  props.session ? <GuardedDesk {...props} session={props.session} /> : <Customers {...props} />;

const GuardedDesk = ({ session, hasPeople }: DeskProps & { session: SignIn }) => {
  const { isSignedIn, problem } = useReactiveVar(session.state);
  if (isSignedIn || !(session.isRequired || problem)) return <Customers session={session} hasPeople={hasPeople} />;
  return (
    <div className="desk open alone">
      <Header name="Customer desk" session={undefined} hasPeople={hasPeople} />
      <main>
        <SignInPage session={session} />
      </main>
    </div>
  );
};

/** The customer desk: the list of customers beside the selected one. On a phone, one screen for each. */
const Customers = (props: DeskProps) => {
  const [isHome] = useRoute('/');
  const [location] = useLocation();
  return (
    <div className={isHome ? 'desk' : 'desk open'}>
      <a className="skip" href="#customer">
        Skip to the customer
      </a>
      <Header name="Customer desk" {...props} />
      <Banners />
      <nav aria-label="Customers">
        <CustomerList />
      </nav>
      <main id="customer" tabIndex={-1}>
        <Switch>
          <Route path="/customers/:id">{({ id }) => <CustomerPage key={id} id={decoded(id)} />}</Route>
          <Route path="/">
            <div className="empty">
              <h2>No customer selected</h2>
              <p>Select a customer to see company, payments, deals and stock.</p>
            </div>
          </Route>
          <Route>
            <NotFound title="Page not found">
              There is no page at <code>{decoded(location)}</code>.
            </NotFound>
          </Route>
        </Switch>
      </main>
      <Toasts place="page" />
    </div>
  );
};
