import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { verifyAuditLog } from '../gateway/audit/verify.ts';

// `npm run audit:verify -- [--key-file <file>] [--expect <hash>] <file>…` checks the chain of an audit log, oldest file first.
const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { 'key-file': { type: 'string' }, expect: { type: 'string' } },
});
if (files.length === 0) {
  console.error('Usage: npm run audit:verify -- [--key-file <file>] [--expect <hash>] <file>…, oldest first');
  process.exit(2);
}
const keyFile = values['key-file'];
const { records, first, last, recoveries, unfinishedBytes, hasExpected, broken } = await verifyAuditLog(files, {
  key: keyFile === undefined ? undefined : readFileSync(keyFile, 'utf8').trim(),
  expectedHash: values.expect,
});
if (first && last) {
  console.log(`${records} records, from ${describe(first)} to ${describe(last)}.`);
  console.log(`The last hash is ${last.hash}.`);
}
if (first && first.sequence > 1) console.log(`Not checked: the records before number ${first.sequence}.`);
if (recoveries > 0) console.log(`Crashes that were recovered from: ${recoveries}.`);
if (unfinishedBytes > 0) console.log(`The last line is incomplete: ${unfinishedBytes} bytes.`);
if (broken) console.error(`Broken: ${broken.file}:${broken.line} ${broken.reason}.`);
else if (!hasExpected) console.error('Broken: no record has the expected hash. Records are missing.');
else console.log('The chain is intact.');
process.exitCode = broken || !hasExpected ? 1 : 0;

function describe({ sequence, values: { time } }: { sequence: number; values: Readonly<Record<string, unknown>> }) {
  return `number ${sequence} (${time})`;
}
