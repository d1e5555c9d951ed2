// @modelcontextprotocol/sdk with a provider of its user's.
import express from 'express';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { MemoryProvider } from './memory-provider.mjs';

const { ISSUER, PORT } = process.env;
const provider = new MemoryProvider();
const resourceServerUrl = new URL('/mcp', ISSUER);

const app = express();
app.set('trust proxy', 'loopback');
app.use(mcpAuthRouter({ provider, issuerUrl: new URL(ISSUER), resourceServerUrl }));
app.all('/mcp', requireBearerAuth({ verifier: provider }), (_, response) => response.send('hello'));
app.post('/lab/forget-clients', (_, response) => {
  provider.clients.clear();
  response.sendStatus(204);
});
app.listen(PORT, '127.0.0.1');
