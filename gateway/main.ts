import { enableCompileCache } from 'node:module';

// Caches compiled modules in the system's temporary folder, to speed up the next start. Modules that this file imports statically
// would be compiled before.
enableCompileCache();
const { runGateway } = await import('./process.ts');
await runGateway(process.env);
