import { Route, Switch, useLocation, useRoute } from 'wouter';
import { CustomerPage } from './customer/customer-page.tsx';
import { CustomerList } from './customers/customer-list.tsx';
import { Header } from './header.tsx';
import { NotFound } from './not-found.tsx';
import { Banners } from './outages/banners.tsx';
import { Toasts } from './toasts/toasts.tsx';

/** Decodes a part of the URL; returns it unchanged if it is malformed. */
const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

/** The customer desk: the list of customers beside the selected one. On a phone, one screen for each. */
export const Desk = () => {
  const [isHome] = useRoute('/');
  const [location] = useLocation();
  return (
    <div className={isHome ? 'desk' : 'desk open'}>
      <a className="skip" href="#customer">
        Skip to the customer
      </a>
      <Header name="Customer desk" />
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
