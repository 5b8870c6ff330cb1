import { hubspot } from './hubspot.ts';
import { openmage } from './openmage.ts';
import { stripe } from './stripe.ts';
import type { Subject } from './subject.ts';

/** Every provider that there is. */
export const SUBJECTS: readonly Subject[] = [stripe, hubspot, openmage];
