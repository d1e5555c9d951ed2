// @cloudflare/workers-oauth-provider in workerd, with a KV namespace on disk.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Miniflare } from 'miniflare';

const { ISSUER, PORT, STATE } = process.env;
const read = (path) => readFileSync(path, 'utf8');

const workers = new Miniflare({
  host: '127.0.0.1',
  port: Number(PORT),
  // The issuer is what the request says it is.
  upstream: ISSUER,
  compatibilityDate: '2026-03-01',
  compatibilityFlags: ['global_fetch_strictly_public'],
  kvNamespaces: ['OAUTH_KV'],
  kvPersist: join(STATE, 'kv'),
  bindings: { ISSUER },
  modules: [
    { type: 'ESModule', path: 'worker.mjs', contents: read(new URL('workers-oauth-provider.worker.mjs', import.meta.url)) },
    {
      type: 'ESModule',
      path: 'oauth-provider.js',
      contents: read(createRequire(import.meta.url).resolve('@cloudflare/workers-oauth-provider')),
    },
  ],
});
await workers.ready;
process.on('SIGTERM', () => workers.dispose().then(() => process.exit(0)));
