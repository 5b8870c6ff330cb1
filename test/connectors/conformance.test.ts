import { describe } from 'vitest';
import { CONTRACTS } from '../contracts/index.ts';
import { conformance } from './conformance/index.ts';

describe.each(CONTRACTS)('the connector of $provider', (contract) => conformance(contract));
