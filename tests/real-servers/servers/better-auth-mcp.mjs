// @better-auth/mcp with a database in memory; whoever comes is logged in as `me` and has consented.
import { createServer } from 'node:http';
import { mcp, requireMcpAuth } from '@better-auth/mcp';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';

const { ISSUER, PORT } = process.env;
const tables = [
  'user', 'session', 'account', 'verification', 'jwks', 'oauthClient', 'oauthClientAssertion', 'oauthClientResource',
  'oauthConsent', 'oauthAccessToken', 'oauthRefreshToken', 'oauthResource',
];
const database = Object.fromEntries(tables.map((table) => [table, []]));

const auth = betterAuth({
  baseURL: ISSUER,
  basePath: '/auth',
  secret: 'made-up-and-long-enough-for-better-auth',
  database: memoryAdapter(database),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    jwt(),
    mcp({
      loginPage: '/lab/login',
      consentPage: '/lab/consent',
      resource: `${ISSUER}/mcp`,
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
    }),
  ],
});
const me = { name: 'me', email: 'me@example.com', password: 'made-up-password' };
await auth.api.signUpEmail({ body: me });

async function logIn(search, response) {
  const { headers } = await auth.api.signInEmail({ body: me, asResponse: true });
  response.writeHead(302, { 'Set-Cookie': headers.getSetCookie(), Location: `/auth/oauth2/authorize${search}` }).end();
}

// As the page's own script would: what the endpoint needs is in the request.
async function consent(search, request, response) {
  const answer = await fetch(`http://127.0.0.1:${PORT}/auth/oauth2/consent`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Cookie: request.headers.cookie, Origin: ISSUER },
    body: JSON.stringify({ accept: true, oauth_query: search.slice(1) }),
  });
  const given = await answer.json();
  response.writeHead(302, { Location: given.redirect_uri ?? given.url }).end();
}

const asItIs = toNodeHandler(auth);
const guarded = toNodeHandler(requireMcpAuth(auth, () => new Response('hello'), { resource: `${ISSUER}/mcp` }));

createServer((request, response) => {
  const { pathname, search } = new URL(request.url, ISSUER);
  if (pathname === '/mcp') return guarded(request, response);
  if (pathname === '/lab/login') return logIn(search, response);
  if (pathname === '/lab/consent') return consent(search, request, response);
  if (pathname === '/lab/forget-clients') {
    for (const table of ['oauthClient', 'oauthClientResource']) database[table].length = 0;
    return response.writeHead(204).end();
  }
  return asItIs(request, response);
}).listen(PORT, '127.0.0.1');
