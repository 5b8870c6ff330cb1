import { hostname } from 'node:os';
import { openAudit } from '../../gateway/audit/audit.ts';
import { fileOfWriter } from '../../gateway/audit/file.ts';
import { GATEWAY_SECRETS, GatewayEnv } from '../../gateway/config.ts';
import { type Env, readEnv } from '../../runtime/env.ts';
import { createLog } from '../../runtime/log.ts';

const AuditEnv = GatewayEnv.pick({ AUDIT_LOG: true, AUDIT_KEY: true, AUDIT_LOG_MAX_MIB: true, AUDIT_FAILURE: true });

/** Records a change of the API keys. Resolves to whether the change may stand. */
export type RecordKeyChange = (event: 'key.created' | 'key.revoked', details: object) => Promise<boolean>;

/**
 * Opens the audit log of the commands that change API keys, beside the gateway's: `audit.keys.jsonl` for `audit.jsonl`. Without
 * AUDIT_LOG nothing is recorded. Throws ConfigError.
 */
export const openKeyAudit = async (
  env: Env,
): Promise<{ readonly record: RecordKeyChange; readonly close: () => Promise<void> }> => {
  const values = readEnv(
    AuditEnv,
    env,
    GATEWAY_SECRETS.filter((name) => name === 'AUDIT_KEY'),
  );
  if (!values.AUDIT_LOG) return { record: async () => true, close: async () => {} };
  const audit = await openAudit(
    {
      file: fileOfWriter(values.AUDIT_LOG.replaceAll('{host}', hostname()), 'keys'),
      key: values.AUDIT_KEY,
      maxBytes: values.AUDIT_LOG_MAX_MIB * 1024 * 1024,
      failure: values.AUDIT_FAILURE,
      arguments: [],
      configuration: '',
    },
    createLog('silent'),
  );
  return {
    record: async (event, details) => (await audit.record(event, { ...details })) || values.AUDIT_FAILURE === 'allow',
    close: audit.close,
  };
};
