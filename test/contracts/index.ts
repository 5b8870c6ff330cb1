import { hubspot } from './hubspot.ts';
import { openmage } from './openmage.ts';
import { stripe } from './stripe.ts';
import type { Contract } from './subject.ts';

/** Every provider that there is. */
export const CONTRACTS: readonly Contract[] = [stripe, hubspot, openmage];
