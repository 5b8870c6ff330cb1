import { get } from 'node:https';

// A container's health check: exits with 0 if the URL of this machine responds with a success, by HTTP or else by HTTPS.
const [url = ''] = process.argv.slice(2);
const isHealthy = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
  ({ ok }) => ok,
  () => false,
);

/** The certificate is for the name that clients use, and the connection does not leave the machine. */
const isHealthyByTls = (): Promise<boolean> =>
  new Promise((resolve) => {
    const options = { rejectUnauthorized: false, timeout: 2_000 };
    get(url.replace(/^http:/, 'https:'), options, ({ statusCode = 0 }) => resolve(statusCode < 300))
      .once('error', () => resolve(false))
      .once('timeout', () => resolve(false));
  });

process.exit(isHealthy || (await isHealthyByTls()) ? 0 : 1);
