#!/bin/sh
# oidc-provider 9.13.3 refuses a refresh because of its `resource` only after it has rotated: the refresh token of a refused request is
# spent, and asking again with the right resource revokes the grant.
#
# Seen on 2026-11-28:
#   refresh with a resource that was not granted: 400 invalid_target
#   the same refresh token with the granted one:  400 invalid_grant
#   a refresh with the granted one alone:         200
#
# Who tries another `resource` after `invalid_target` loses the login. RFC 8707 does not say whether the token survives the refusal.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts oidc-provider@9.13.3
cat >finding.mjs <<'JS'
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const granted = 'https://mcp.example/granted';
const foreign = 'https://mcp.example/foreign';
const redirectUri = 'https://client.example/callback';
const listener = createServer().listen(0, '127.0.0.1');
await once(listener, 'listening');
const issuer = `http://127.0.0.1:${listener.address().port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'public', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  }],
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'mcp', accessTokenFormat: 'opaque' }),
    },
  },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
});
listener.on('request', provider.callback());

const token = async (form) => {
  const body = new URLSearchParams({ client_id: 'public', ...form });
  const answer = await fetch(`${issuer}/token`, { method: 'POST', body });
  return { status: answer.status, ...(await answer.json()) };
};
const verifier = 'v'.repeat(43);

// What the end of a login leaves: a grant and a code.
async function logIn() {
  const grant = new provider.Grant({ accountId: 'me', clientId: 'public' });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(granted, 'mcp');
  const grantId = await grant.save();
  const code = await new provider.AuthorizationCode({
    accountId: 'me', client: await provider.Client.find('public'), grantId, gty: 'authorization_code', redirectUri,
    scope: 'openid offline_access mcp', resource: granted,
    codeChallenge: createHash('sha256').update(verifier).digest('base64url'), codeChallengeMethod: 'S256',
  }).save();
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectUri };
  const { refresh_token } = await token({ ...form, resource: granted });
  assert(refresh_token, 'the login gives a refresh token');
  return refresh_token;
}
const refresh = (refresh_token, resource) => token({ grant_type: 'refresh_token', refresh_token, resource });
const say = (what, { status, error = '' }) => console.log(`${what}: ${status} ${error}`.trimEnd());

const first = await logIn();
const refused = await refresh(first, foreign);
say('refresh with a resource that was not granted', refused);
const again = await refresh(first, granted);
say('the same refresh token with the granted one', again);
const alone = await refresh(await logIn(), granted);
say('a refresh with the granted one alone', alone);
assert.deepEqual([refused.status, refused.error], [400, 'invalid_target']);
assert.deepEqual([again.status, again.error], [400, 'invalid_grant']);
assert.equal(alone.status, 200);
process.exit(0);
JS
node finding.mjs
