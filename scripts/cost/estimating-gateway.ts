import { urlVariable } from '../../gateway/config.ts';
import type { StartedGateway } from '../../gateway/started-gateway.ts';
import { startBundledGraph } from '../../gateway/supergraph/bundled-graph.ts';
import { subgraphs } from '../../subgraphs/index.ts';

/** The discard port, at which nothing answers. */
const NOWHERE = 'http://127.0.0.1:9/graphql';

/**
 * Starts a gateway for the bundled graph, with default settings, that can estimate operations but not execute them: it starts
 * neither subgraphs nor sandboxes, and has no provider's credentials.
 */
export const startEstimatingGateway = (): Promise<StartedGateway> =>
  startBundledGraph({
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
    CALL_REPORT: 'on',
    EXPLORER: 'off',
    DESK: 'off',
    ...Object.fromEntries(subgraphs.map(({ name }) => [urlVariable(name), NOWHERE])),
  });
