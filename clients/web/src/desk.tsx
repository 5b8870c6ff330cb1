import { Link, Route, Switch, useRoute } from 'wouter';
import { CustomerPage } from './customer/customer-page.tsx';
import { CustomerList } from './customers/customer-list.tsx';

/** A part of the address as it was meant; as it is where nobody can have meant it. */
const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

/** The customer desk: customers on one side, the one that is open on the other; on a phone one after the other. */
export const Desk = () => {
  const [isOpen] = useRoute('/customers/:id');
  return (
    <div className={isOpen ? 'desk open' : 'desk'}>
      <a className="skip" href="#customer">
        Skip to the customer
      </a>
      <header>
        <h1>
          <Link href="/">Customer desk</Link>
        </h1>
      </header>
      <nav aria-label="Customers">
        <CustomerList />
      </nav>
      <main id="customer" tabIndex={-1}>
        <Switch>
          <Route path="/customers/:id">{({ id }) => <CustomerPage key={id} id={decoded(id)} />}</Route>
          <Route>
            <p className="empty">Open a customer to see company, payments, deals and what is in stock for them.</p>
          </Route>
        </Switch>
      </main>
    </div>
  );
};
