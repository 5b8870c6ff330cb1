import { run } from '../../runtime/lifecycle.ts';
import { startDev } from './dev.ts';

// `npm run dev`: runs the gateway and applies changes without a restart.
await run(process.env, () => startDev(process.env));
