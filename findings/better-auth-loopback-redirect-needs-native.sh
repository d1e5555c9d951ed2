#!/bin/sh
# @better-auth/mcp 1.7.5 refuses the registration of a client with a loopback redirect unless it says `application_type: native`: without
# the member a client counts as one of the web (as OpenID Connect Registration has it), also with PKCE and without a secret.
#
# Seen on 2026-11-28, redirect_uris ["http://localhost:1234/callback"]:
#   without application_type: 400 invalid_redirect_uri
#   application_type native:  201
#
# A terminal program that registers without the member never gets as far as a login.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts \
    @better-auth/mcp@1.7.5 better-auth@1.7.5 @better-auth/core@1.7.5 better-call@1.4.0
cat >finding.mjs <<'JS'
import assert from 'node:assert/strict';
import { mcp } from '@better-auth/mcp';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { jwt } from 'better-auth/plugins';

const base = 'http://127.0.0.1:4000';
const tables = [
  'user', 'session', 'account', 'verification', 'jwks', 'oauthClient', 'oauthClientAssertion', 'oauthClientResource',
  'oauthConsent', 'oauthAccessToken', 'oauthRefreshToken', 'oauthResource',
];
const auth = betterAuth({
  baseURL: base,
  secret: 'made-up-and-long-enough-for-better-auth',
  database: memoryAdapter(Object.fromEntries(tables.map((table) => [table, []]))),
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    jwt(),
    mcp({
      loginPage: '/login', consentPage: '/consent', resource: `${base}/mcp`,
      allowDynamicClientRegistration: true, allowUnauthenticatedClientRegistration: true,
    }),
  ],
});

async function register(more) {
  const body = JSON.stringify({
    redirect_uris: ['http://localhost:1234/callback'], token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], ...more,
  });
  const headers = { 'Content-Type': 'application/json' };
  const answer = await auth.handler(new Request(`${base}/api/auth/oauth2/register`, { method: 'POST', headers, body }));
  return { status: answer.status, ...(await answer.json()) };
}
const without = await register({});
console.log(`without application_type: ${without.status} ${without.error}`);
const native = await register({ application_type: 'native' });
console.log(`application_type native:  ${native.status}`);
assert.deepEqual([without.status, without.error], [400, 'invalid_redirect_uri']);
assert(native.status === 200 || native.status === 201);
process.exit(0);
JS
node finding.mjs
