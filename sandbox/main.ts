import { enableCompileCache } from 'node:module';

// As in the gateway's main.ts.
enableCompileCache();
const { runSandboxes } = await import('./process.ts');
await runSandboxes(process.env);
