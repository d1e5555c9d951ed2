#!/bin/sh
# @better-auth/mcp 1.7.5 answers a refresh token that was used less than 30 s ago with the very same pair as the first time, and with what
# is left of its life; other servers with a grace make a new pair or refuse.
#
# Seen on 2026-11-28:
#   the same refresh token again, 2 s later: 200, the same access token true, the same refresh token true, expires_in 3600 and 3598
#
# Whoever lost an answer gets it back here by asking again soon, and two who ask at once end with one pair.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts \
    @better-auth/mcp@1.7.5 better-auth@1.7.5 @better-auth/core@1.7.5 better-call@1.4.0
cat >finding.mjs <<'JS'
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { mcp } from '@better-auth/mcp';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { jwt } from 'better-auth/plugins';

const base = 'http://127.0.0.1:4000';
const resource = `${base}/mcp`;
const redirect_uri = 'http://127.0.0.1:1234/callback';
const tables = [
  'user', 'session', 'account', 'verification', 'jwks', 'oauthClient', 'oauthClientAssertion', 'oauthClientResource',
  'oauthConsent', 'oauthAccessToken', 'oauthRefreshToken', 'oauthResource',
];
const auth = betterAuth({
  baseURL: base,
  secret: 'made-up-and-long-enough-for-better-auth',
  database: memoryAdapter(Object.fromEntries(tables.map((table) => [table, []]))),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    jwt(),
    mcp({
      loginPage: '/login', consentPage: '/consent', resource,
      allowDynamicClientRegistration: true, allowUnauthenticatedClientRegistration: true,
    }),
  ],
});
const me = { name: 'me', email: 'me@example.com', password: 'made-up-password' };
await auth.api.signUpEmail({ body: me });
const { headers } = await auth.api.signInEmail({ body: me, asResponse: true });
const cookie = headers.getSetCookie().map((set) => set.split(';')[0]).join('; ');

const ask = (path, init) => auth.handler(new Request(`${base}/api/auth${path}`, init));
const json = (body) => ({
  method: 'POST', headers: { 'Content-Type': 'application/json', cookie, Origin: base }, body: JSON.stringify(body),
});
const token = async (form) => {
  const answer = await ask('/oauth2/token', { method: 'POST', body: new URLSearchParams({ ...form, client_id, resource }) });
  return { status: answer.status, ...(await answer.json()) };
};

const wanted = { redirect_uris: [redirect_uri], token_endpoint_auth_method: 'none', application_type: 'native', grant_types: ['authorization_code', 'refresh_token'] };
const registered = await (await ask('/oauth2/register', json(wanted))).json();
const { client_id } = registered;
assert(client_id, JSON.stringify(registered));
const code_verifier = 'v'.repeat(43);
const asked = new URLSearchParams({
  response_type: 'code', client_id, redirect_uri, resource, scope: 'openid offline_access', prompt: 'consent', state: 's',
  code_challenge: createHash('sha256').update(code_verifier).digest('base64url'), code_challenge_method: 'S256',
});
const page = await ask(`/oauth2/authorize?${asked}`, { headers: { cookie } });
const oauth_query = new URL(page.headers.get('Location'), base).search.slice(1);
const consented = await (await ask('/oauth2/consent', json({ accept: true, oauth_query }))).json();
const code = new URL(consented.redirect_uri ?? consented.url).searchParams.get('code');

const login = await token({ grant_type: 'authorization_code', code, code_verifier, redirect_uri });
assert(login.refresh_token, JSON.stringify(login));
const refresh = () => token({ grant_type: 'refresh_token', refresh_token: login.refresh_token });
const first = await refresh();
await pause(2000);
const second = await refresh();
const same = (name) => first[name] === second[name];
console.log(
  `the same refresh token again, 2 s later: ${second.status}, the same access token ${same('access_token')}, ` +
    `the same refresh token ${same('refresh_token')}, expires_in ${first.expires_in} and ${second.expires_in}`,
);
assert.deepEqual([first.status, second.status], [200, 200]);
assert(same('access_token') && same('refresh_token'));
assert(second.expires_in < first.expires_in);
process.exit(0);
JS
node finding.mjs
