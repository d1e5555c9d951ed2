#!/bin/sh
# @node-oauth/oauth2-server 5.3.0 revokes the refresh token before it looks at the `scope` of a refresh: a refused request has spent it.
#
# Seen on 2026-11-28:
#   refresh with a scope that is not allowed: 400 invalid_scope
#   the same refresh token without a scope:   400 invalid_grant
#   a refresh without a scope alone:          200
#
# `invalid_scope` is no proof that nothing was spent.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts @node-oauth/oauth2-server@5.3.0
cat >finding.mjs <<'JS'
import assert from 'node:assert/strict';
import OAuth2Server from '@node-oauth/oauth2-server';

const { Request, Response } = OAuth2Server;
const stored = new Map();
const client = { id: 'public', grants: ['refresh_token'] };
const soon = () => new Date(Date.now() + 3_600_000);
const issue = (refreshToken) => stored.set(refreshToken, { refreshToken, refreshTokenExpiresAt: soon(), client, user: {}, scope: ['read'] });
const oauth = new OAuth2Server({
  requireClientAuthentication: { refresh_token: false },
  model: {
    getClient: () => client,
    getRefreshToken: (token) => stored.get(token),
    revokeToken: ({ refreshToken }) => stored.delete(refreshToken),
    validateScope: (user, _, scope) => ((scope ?? []).every((name) => name === 'read') ? scope : false),
    saveToken: (token) => ({ ...token, client, user: {} }),
  },
});

async function refresh(refresh_token, scope) {
  const body = { grant_type: 'refresh_token', client_id: 'public', refresh_token, ...(scope && { scope }) };
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '1' };
  const answer = new Response({ headers: {} });
  await oauth.token(new Request({ method: 'POST', query: {}, headers, body }), answer).catch(() => undefined);
  return answer;
}
const say = (what, { status, body }) => console.log(`${what}: ${status} ${body.error ?? ''}`.trimEnd());

issue('one');
const refused = await refresh('one', 'write');
say('refresh with a scope that is not allowed', refused);
const again = await refresh('one');
say('the same refresh token without a scope', again);
issue('two');
const alone = await refresh('two');
say('a refresh without a scope alone', alone);
assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_scope']);
assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
assert.equal(alone.status, 200);
JS
node finding.mjs
