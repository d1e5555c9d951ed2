#!/bin/sh
# @modelcontextprotocol/sdk 1.32.2: ProxyOAuthServerProvider makes one answer of every refusal of the server behind it: 500 `server_error`,
# "Token refresh failed: 400". What the refusal was (a dead token, a client that is gone, a rate limit) is lost but for the number.
#
# Seen on 2026-11-28:
#   behind it 400 invalid_grant: 500 server_error: Token refresh failed: 400
#   behind it 401 invalid_client: 500 server_error: Token refresh failed: 401
#   behind it 429 slow_down: 500 server_error: Token refresh failed: 429
#
# Such a 500 never ends by itself where the login has ended.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts @modelcontextprotocol/sdk@1.32.2 express@5
cat >finding.mjs <<'JS'
import assert from 'node:assert/strict';
import { once } from 'node:events';
import express from 'express';
import { ProxyOAuthServerProvider } from '@modelcontextprotocol/sdk/server/auth/providers/proxyProvider.js';
import { mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';

const app = express();
const listener = app.listen(0, '127.0.0.1');
await once(listener, 'listening');
const base = `http://127.0.0.1:${listener.address().port}`;
const client = { client_id: 'public', redirect_uris: ['https://client.example/callback'], token_endpoint_auth_method: 'none' };
let refusal;
const provider = new ProxyOAuthServerProvider({
  endpoints: { authorizationUrl: `${base}/behind/authorize`, tokenUrl: `${base}/behind/token` },
  verifyAccessToken: async (token) => ({ token, clientId: 'public', scopes: [] }),
  getClient: async () => client,
});
app.post('/behind/token', (_, response) => response.status(refusal[0]).json({ error: refusal[1] }));
app.use(mcpAuthRouter({ provider, issuerUrl: new URL(base) }));

for (refusal of [[400, 'invalid_grant'], [401, 'invalid_client'], [429, 'slow_down']]) {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'rt_made_up', client_id: 'public' });
  const answer = await fetch(`${base}/token`, { method: 'POST', body });
  const { error, error_description } = await answer.json();
  console.log(`behind it ${refusal.join(' ')}: ${answer.status} ${error}: ${error_description}`);
  assert.deepEqual([answer.status, error, error_description], [500, 'server_error', `Token refresh failed: ${refusal[0]}`]);
}
process.exit(0);
JS
node finding.mjs
