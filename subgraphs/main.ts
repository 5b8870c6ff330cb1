import { enableCompileCache } from 'node:module';

// As in the gateway's main.ts.
enableCompileCache();
const { runSubgraphs } = await import('./process.ts');
await runSubgraphs(process.env);
