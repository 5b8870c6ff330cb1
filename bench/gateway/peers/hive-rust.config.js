import { unifiedGraphHandler } from '@graphql-hive/router-runtime';
import { gatewayConfig as base } from './hive.config.js';

/* The same with the query planner written in Rust. */

export const gatewayConfig = { ...base, unifiedGraphHandler };
