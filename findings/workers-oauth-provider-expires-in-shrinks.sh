#!/bin/sh
# @cloudflare/workers-oauth-provider 1.2.3, with its default of a fixed life of the refresh token: the answer to a refresh never names more
# than what is left of that life. Each access token lives shorter than the one before, down to seconds; the login's own is not cut.
#
# Seen on 2026-11-28 (accessTokenTTL 3600, refreshTokenTTL 90, 3 s between the requests):
#   login: 3600, refresh: 87, refresh: 84
#
# The life that a login named says nothing about a refreshed token, and a shrinking `expires_in` foretells the end of the login.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts @cloudflare/workers-oauth-provider@1.2.3 miniflare@4.20260401.0
cat >worker.mjs <<'JS'
import { OAuthProvider } from './oauth-provider.js';

export default new OAuthProvider({
  apiRoute: '/mcp',
  apiHandler: { fetch: () => new Response('hello') },
  defaultHandler: {
    async fetch(request, env) {
      const asked = await env.OAUTH_PROVIDER.parseAuthRequest(request);
      const { redirectTo } = await env.OAUTH_PROVIDER.completeAuthorization({
        request: asked, userId: 'me', metadata: {}, scope: asked.scope, props: {},
      });
      return Response.redirect(redirectTo, 302);
    },
  },
  authorizeEndpoint: '/authorize',
  tokenEndpoint: '/token',
  clientRegistrationEndpoint: '/register',
  resourceMetadata: { resource: 'https://lab.example/mcp', authorization_servers: ['https://lab.example'] },
  accessTokenTTL: 3600,
  refreshTokenTTL: 90,
});
JS
cat >finding.mjs <<'JS'
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Miniflare } from 'miniflare';

const read = (path) => readFileSync(path, 'utf8');
const workers = new Miniflare({
  compatibilityDate: '2026-03-01',
  kvNamespaces: ['OAUTH_KV'],
  modules: [
    { type: 'ESModule', path: 'worker.mjs', contents: read('worker.mjs') },
    {
      type: 'ESModule', path: 'oauth-provider.js',
      contents: read('node_modules/@cloudflare/workers-oauth-provider/dist/oauth-provider.js'),
    },
  ],
});
const base = 'https://lab.example';
const redirect_uri = 'http://localhost:1234/callback';
const resource = `${base}/mcp`;
const post = async (path, body, headers = {}) => {
  const answer = await workers.dispatchFetch(base + path, { method: 'POST', body, headers });
  const said = await answer.json();
  assert(answer.ok, `${path}: ${answer.status} ${JSON.stringify(said)}`);
  return said;
};
const form = (fields) => new URLSearchParams(fields).toString();
const asForm = { 'Content-Type': 'application/x-www-form-urlencoded' };

const wanted = { redirect_uris: [redirect_uri], token_endpoint_auth_method: 'none', client_name: 'lab' };
const { client_id } = await post('/register', JSON.stringify(wanted), { 'Content-Type': 'application/json' });
const code_verifier = 'v'.repeat(43);
const code_challenge = createHash('sha256').update(code_verifier).digest('base64url');
const asked = { response_type: 'code', client_id, redirect_uri, code_challenge, code_challenge_method: 'S256', resource, state: 's' };
const back = await workers.dispatchFetch(`${base}/authorize?${form(asked)}`, { redirect: 'manual' });
const code = new URL(back.headers.get('Location')).searchParams.get('code');

let pair = await post('/token', form({ grant_type: 'authorization_code', code, code_verifier, redirect_uri, client_id, resource }), asForm);
const lives = [pair.expires_in];
for (let refreshes = 0; refreshes < 2; refreshes++) {
  await pause(3000);
  pair = await post('/token', form({ grant_type: 'refresh_token', refresh_token: pair.refresh_token, client_id, resource }), asForm);
  lives.push(pair.expires_in);
}
await workers.dispose();
console.log(`login: ${lives[0]}, refresh: ${lives[1]}, refresh: ${lives[2]}`);
assert(lives[0] === 3600 && lives[1] <= 90 && lives[2] < lives[1], 'each life is shorter than the one before');
JS
node finding.mjs
