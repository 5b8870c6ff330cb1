import { describe } from 'vitest';
import { CONTRACTS } from '../contracts/index.ts';
import { conformance } from './conformance/index.ts';

/* All connectors have the same middleware; what differs is tested with each provider's own tests as well. */

const [first, ...others] = CONTRACTS;

describe.each(first ? [first] : [])('the connector of $provider', (contract) => conformance(contract));

describe.each(others)('the connector of $provider', { tags: ['long'] }, (contract) => conformance(contract));
