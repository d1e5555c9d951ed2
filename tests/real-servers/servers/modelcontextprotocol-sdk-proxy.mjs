// @modelcontextprotocol/sdk with its ProxyOAuthServerProvider, in front of the same SDK as the real authorization server.
import { once } from 'node:events';
import express from 'express';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { ProxyOAuthServerProvider } from '@modelcontextprotocol/sdk/server/auth/providers/proxyProvider.js';
import { mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { MemoryProvider } from './memory-provider.mjs';

const { ISSUER, PORT } = process.env;

const behind = new MemoryProvider();
const upstreamApp = express();
const listener = upstreamApp.listen(0, '127.0.0.1');
await once(listener, 'listening');
const upstream = `http://127.0.0.1:${listener.address().port}`;
upstreamApp.use(mcpAuthRouter({ provider: behind, issuerUrl: new URL(upstream) }));

const provider = new ProxyOAuthServerProvider({
  endpoints: {
    authorizationUrl: `${upstream}/authorize`,
    tokenUrl: `${upstream}/token`,
    registrationUrl: `${upstream}/register`,
  },
  verifyAccessToken: (token) => behind.verifyAccessToken(token),
  getClient: async (id) => behind.clients.get(id),
});

const app = express();
app.set('trust proxy', 'loopback');
app.use(mcpAuthRouter({ provider, issuerUrl: new URL(ISSUER), resourceServerUrl: new URL('/mcp', ISSUER) }));
app.all('/mcp', requireBearerAuth({ verifier: provider }), (_, response) => response.send('hello'));
app.post('/lab/forget-clients', (_, response) => {
  behind.clients.clear();
  response.sendStatus(204);
});
app.listen(PORT, '127.0.0.1');
