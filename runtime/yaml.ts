import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Loads the YAML parser. Few processes have a file in YAML, and its 70 modules would delay the start of all. */
export const loadYaml = (): typeof import('yaml') => require('yaml');
