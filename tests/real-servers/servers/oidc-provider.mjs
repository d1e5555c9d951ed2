// oidc-provider with its memory adapter; whoever comes is logged in as `me` and has consented.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const { ISSUER, PORT } = process.env;
const resource = `${ISSUER}/mcp`;

const provider = new Provider(ISSUER, {
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'mcp', accessTokenFormat: 'opaque' }),
    },
  },
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/lab/interaction/${interaction.uid}` },
  ttl: { AccessToken: 3600 },
});

async function interaction(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: 'me' } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addResourceScope(resource, 'mcp');
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

const registered = new Set();
provider.on('registration_create.success', (_, client) => registered.add(client.clientId));

async function forgetClients(response) {
  for (const id of registered) await provider.Client.adapter.destroy(id);
  response.writeHead(204).end();
}

async function mcp(request, response) {
  const bearer = request.headers.authorization?.replace(/^Bearer /, '');
  const known = bearer && (await provider.AccessToken.find(bearer));
  const challenge = { 'WWW-Authenticate': `Bearer resource_metadata="${ISSUER}/.well-known/oauth-protected-resource/mcp"` };
  response.writeHead(known ? 200 : 401, known ? {} : challenge).end();
}

const asItIs = provider.callback();
createServer((request, response) => {
  const { pathname } = new URL(request.url, ISSUER);
  if (pathname === '/mcp') return mcp(request, response);
  if (pathname === '/lab/forget-clients') return forgetClients(response);
  if (pathname.startsWith('/lab/interaction/')) return interaction(request, response);
  if (pathname === '/.well-known/oauth-protected-resource/mcp') {
    const metadata = { resource, authorization_servers: [ISSUER] };
    return response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(metadata));
  }
  return asItIs(request, response);
}).listen(PORT, '127.0.0.1');
