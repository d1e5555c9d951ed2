#!/bin/sh
# @modelcontextprotocol/sdk 1.32.2 (the client): each request that meets a 401 makes a token request of its own. Five messages at once on
# an expired token present one refresh token up to six times. At a server that takes it once, one message goes on; the four others wipe
# the tokens (`invalidateCredentials`) or find them wiped, and each asks for a new login, although the first answer was a good pair.
#
# Seen on 2026-11-29:
#   one message:   refreshes 1, wiped 0, logins asked for 0, sent 1
#   five messages: refreshes 2 or more, wiped 1 or more, logins asked for 4, sent 1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts @modelcontextprotocol/sdk@1.32.2
cat >finding.mjs <<'JS'
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

let generation, refreshes;
const server = createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  const answer = (status, value) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
  if (request.url.startsWith('/.well-known/oauth-protected-resource')) {
    answer(200, { resource: `${origin}/mcp`, authorization_servers: [origin] });
  } else if (request.url.startsWith('/.well-known/oauth-authorization-server')) {
    answer(200, {
      issuer: origin, authorization_endpoint: `${origin}/authorize`, token_endpoint: `${origin}/token`,
      response_types_supported: ['code'], grant_types_supported: ['authorization_code', 'refresh_token'],
      code_challenge_methods_supported: ['S256'], token_endpoint_auth_methods_supported: ['none'],
    });
  } else if (request.url === '/token') {
    refreshes += 1;
    if (new URLSearchParams(body).get('refresh_token') !== `refresh-${generation}`) return answer(400, { error: 'invalid_grant' });
    generation += 1;
    const pair = { access_token: `access-${generation}`, refresh_token: `refresh-${generation}`, token_type: 'Bearer', expires_in: 3600 };
    await pause(50);
    answer(200, pair);
  } else if (request.headers.authorization === `Bearer access-${generation}` && generation > 0) {
    response.writeHead(202).end();
  } else {
    response.writeHead(401, { 'WWW-Authenticate': 'Bearer' }).end();
  }
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${server.address().port}`;

async function send(count) {
  generation = 0;
  refreshes = 0;
  let wiped = 0;
  let logins = 0;
  const issuer = `${origin}/`;
  let tokens = { access_token: 'access-0', refresh_token: 'refresh-0', token_type: 'Bearer', issuer };
  const authProvider = {
    redirectUrl: 'http://127.0.0.1:1234/callback',
    clientMetadata: { redirect_uris: ['http://127.0.0.1:1234/callback'], token_endpoint_auth_method: 'none' },
    clientInformation: () => ({ client_id: 'made-up-client', issuer }),
    tokens: () => tokens,
    saveTokens: (pair) => { tokens = pair; },
    invalidateCredentials: (what) => { wiped += 1; if (what === 'tokens' || what === 'all') tokens = undefined; },
    saveCodeVerifier: () => {},
    codeVerifier: () => 'made-up-verifier',
    redirectToAuthorization: () => { logins += 1; },
  };
  const transport = new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { authProvider });
  await transport.start();
  const messages = Array.from({ length: count }, (_, number) => ({ jsonrpc: '2.0', method: `notifications/${number}` }));
  const ends = await Promise.allSettled(messages.map((message) => transport.send(message)));
  await transport.close();
  return { refreshes, wiped, logins, sent: ends.filter(({ status }) => status === 'fulfilled').length };
}

const one = await send(1);
console.log(`one message:   refreshes ${one.refreshes}, wiped ${one.wiped}, logins asked for ${one.logins}, sent ${one.sent}`);
assert.deepEqual(one, { refreshes: 1, wiped: 0, logins: 0, sent: 1 });
const five = await send(5);
const some = (number, least) => (number >= least ? `${least} or more` : number);
console.log(`five messages: refreshes ${some(five.refreshes, 2)}, wiped ${some(five.wiped, 1)}, logins asked for ${five.logins}, sent ${five.sent}`);
assert(five.refreshes > 1 && five.wiped > 0 && five.logins > 0 && five.sent < 5, JSON.stringify(five));
process.exit(0);
JS
node finding.mjs
