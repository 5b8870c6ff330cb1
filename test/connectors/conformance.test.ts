import { describe } from 'vitest';
import { SUBJECTS } from '../contracts/index.ts';
import { conformance } from './conformance/index.ts';

describe.each(SUBJECTS)('the connector of $provider', (subject) => conformance(subject));
