import { unifiedGraphHandler } from '@graphql-hive/router-runtime';
import { gatewayConfig as base } from './hive.config.js';

/* The same with the planner that is written in Rust. */

export const gatewayConfig = { ...base, unifiedGraphHandler };
