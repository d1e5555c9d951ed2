// @better-auth/mcp with a database in memory; whoever comes is logged in as `me` and has consented.
import { createServer } from 'node:http';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import { mcp, requireMcpAuth } from '@better-auth/mcp';

const { ISSUER, PORT } = process.env;
const database = {
  user: [], session: [], account: [], verification: [], jwks: [], rateLimit: [],
  oauthClient: [], oauthAccessToken: [], oauthRefreshToken: [], oauthConsent: [],
};

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
console.log(Object.keys(auth.api).join(' '));

const asItIs = toNodeHandler(auth);
const guarded = toNodeHandler(requireMcpAuth(auth, () => new Response('hello'), { resource: `${ISSUER}/mcp` }));
createServer((request, response) => {
  const { pathname } = new URL(request.url, ISSUER);
  if (pathname === '/mcp') return guarded(request, response);
  console.log(request.method, request.url);
  return asItIs(request, response);
}).listen(PORT, '127.0.0.1');
