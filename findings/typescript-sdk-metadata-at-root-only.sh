#!/bin/sh
# @modelcontextprotocol/sdk 1.32.2: `mcpAuthRouter` serves the authorization server's metadata at the root only, also where the issuer has a
# path. RFC 8414, section 3.1, puts it between host and path, and there it is a 404.
#
# Seen on 2026-11-28, issuer http://127.0.0.1/tenant:
#   /.well-known/oauth-authorization-server/tenant: 404
#   /.well-known/oauth-authorization-server:        200, and its issuer ends in /tenant true
#
# Who looks only where the RFC says finds no metadata; who looks at the root finds an issuer that has a path.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts @modelcontextprotocol/sdk@1.32.2 express@5
cat >finding.mjs <<'JS'
import assert from 'node:assert/strict';
import { once } from 'node:events';
import express from 'express';
import { mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';

const app = express();
const listener = app.listen(0, '127.0.0.1');
await once(listener, 'listening');
const base = `http://127.0.0.1:${listener.address().port}`;
const provider = { clientsStore: { getClient: () => undefined } };
app.use(mcpAuthRouter({ provider, issuerUrl: new URL('/tenant', base) }));

const name = '/.well-known/oauth-authorization-server';
const inserted = await fetch(`${base}${name}/tenant`);
console.log(`${name}/tenant: ${inserted.status}`);
const root = await fetch(base + name);
const { issuer } = await root.json();
console.log(`${name}:        ${root.status}, and its issuer ends in /tenant ${issuer.endsWith('/tenant')}`);
assert.equal(inserted.status, 404);
assert.equal(root.status, 200);
assert.equal(issuer, `${base}/tenant`);
process.exit(0);
JS
node finding.mjs
