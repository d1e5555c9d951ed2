// The worker: whoever comes is logged in as `me` and has consented.
import { OAuthProvider } from './oauth-provider.js';

const hello = { fetch: () => new Response('hello') };

const pages = {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === '/authorize') {
      const asked = await env.OAUTH_PROVIDER.parseAuthRequest(request);
      const { redirectTo } = await env.OAUTH_PROVIDER.completeAuthorization({
        request: asked,
        userId: 'me',
        metadata: {},
        scope: asked.scope,
        props: { user: 'me' },
      });
      return Response.redirect(redirectTo, 302);
    }
    if (pathname === '/lab/forget-clients') {
      const { items } = await env.OAUTH_PROVIDER.listClients();
      for (const { clientId } of items) await env.OAUTH_PROVIDER.deleteClient(clientId);
      return new Response(null, { status: 204 });
    }
    return new Response('no such page', { status: 404 });
  },
};

// The issuer is known only once the first request is there.
let provider;

export default {
  fetch(request, env, context) {
    provider ??= new OAuthProvider({
      apiRoute: '/mcp',
      apiHandler: hello,
      defaultHandler: pages,
      authorizeEndpoint: '/authorize',
      tokenEndpoint: '/oauth/token',
      clientRegistrationEndpoint: '/register',
      scopesSupported: ['offline_access'],
      resourceMetadata: { resource: `${env.ISSUER}/mcp`, authorization_servers: [env.ISSUER] },
    });
    return provider.fetch(request, env, context);
  },
};
