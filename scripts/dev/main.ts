import { run } from '../../runtime/lifecycle.ts';
import { startDev } from './dev.ts';

// `npm run dev`: the product, and whatever is changed of it, without a restart.
await run(process.env, () => startDev(process.env));
