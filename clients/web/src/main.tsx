import './desk.css';
import { ApolloProvider } from '@apollo/client/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { createClient } from './client.ts';
import { Desk } from './desk.tsx';
import { applyTheme, readTheme } from './theme.ts';

applyTheme(readTheme());

createRoot(document.querySelector('#root') as HTMLElement).render(
  <StrictMode>
    <ApolloProvider client={createClient('/graphql')}>
      <Router base="/desk">
        <Desk />
      </Router>
    </ApolloProvider>
  </StrictMode>,
);
