import { enableCompileCache } from 'node:module';

// Caches compiled modules in the system's temporary folder, to speed up the next start. Modules that this file imports statically
// would be compiled before.
const { directory } = enableCompileCache();
// Threads and workers compile everything again unless this names the cache.
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory;
const { runGateway } = await import('./process.ts');
await runGateway(process.env);
