import './desk.css';
import { ApolloProvider } from '@apollo/client/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { createClient } from './client.ts';
import { Desk } from './desk.tsx';
import { LiveSubgraphs } from './live/use-live-customer.ts';
import { fetchSettings } from './session/settings.ts';
import { applyTheme, readTheme } from './theme.ts';

applyTheme(readTheme());

const { hasPeople, live, signIn } = await fetchSettings();
// Loaded only where people sign in.
const session = signIn && (await (await import('./session/sign-in.ts')).createSignIn(signIn));

createRoot(document.querySelector('#root') as HTMLElement).render(
  <StrictMode>
    <ApolloProvider client={createClient('/graphql', session)}>
      <Router base="/desk">
        <LiveSubgraphs value={live}>
          <Desk session={session} hasPeople={hasPeople} />
        </LiveSubgraphs>
      </Router>
    </ApolloProvider>
  </StrictMode>,
);
