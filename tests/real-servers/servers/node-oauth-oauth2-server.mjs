// @node-oauth/oauth2-server: it knows the grants; routes, metadata, registration and storage are its user's.
import express from 'express';
import { randomUUID } from 'node:crypto';
import OAuth2Server from '@node-oauth/oauth2-server';

const { ISSUER, PORT } = process.env;
const { Request, Response } = OAuth2Server;

const clients = new Map();
const codes = new Map();
const access = new Map();
const refresh = new Map();

const model = {
  getClient: (id, secret) => {
    const client = clients.get(id);
    return client && (secret === null || secret === undefined || client.secret === secret) ? client : null;
  },
  saveAuthorizationCode: (code, client, user) => {
    const saved = { ...code, client, user };
    codes.set(code.authorizationCode, saved);
    return saved;
  },
  getAuthorizationCode: (code) => codes.get(code),
  revokeAuthorizationCode: ({ authorizationCode }) => codes.delete(authorizationCode),
  saveToken: (token, client, user) => {
    const saved = { ...token, client, user };
    access.set(token.accessToken, saved);
    if (token.refreshToken) refresh.set(token.refreshToken, saved);
    return saved;
  },
  getAccessToken: (token) => access.get(token),
  getRefreshToken: (token) => refresh.get(token),
  revokeToken: ({ refreshToken }) => refresh.delete(refreshToken),
  validateScope: (user, client, scope) => scope ?? [],
};

// By default every client needs a secret.
const requireClientAuthentication = { authorization_code: false, refresh_token: false };
const oauth = new OAuth2Server({ model, requireClientAuthentication });

function send(response, answer, error) {
  const status = error?.code ?? answer.status;
  const body = error ? { error: error.name, error_description: error.message } : answer.body;
  response.status(status).set(answer.headers).json(body);
}

const app = express();
app.use(express.json(), express.urlencoded({ extended: false }));

app.get('/.well-known/oauth-authorization-server', (_, response) =>
  response.json({
    issuer: ISSUER,
    authorization_endpoint: `${ISSUER}/authorize`,
    token_endpoint: `${ISSUER}/token`,
    registration_endpoint: `${ISSUER}/register`,
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_post', 'client_secret_basic'],
  }),
);

app.post('/register', (request, response) => {
  const { redirect_uris: redirectUris, grant_types: grants, token_endpoint_auth_method: method } = request.body;
  const client = { id: randomUUID(), redirectUris, grants, ...(method !== 'none' && { secret: randomUUID() }) };
  clients.set(client.id, client);
  response.status(201).json({ ...request.body, client_id: client.id, client_secret: client.secret });
});

app.get('/authorize', async (request, response) => {
  const answer = new Response(response);
  const options = { authenticateHandler: { handle: () => ({ id: 'me' }) } };
  await oauth.authorize(new Request(request), answer, options).catch((error) => send(response, answer, error));
  if (!response.headersSent) response.redirect(answer.headers.location);
});

app.post('/token', async (request, response) => {
  const answer = new Response(response);
  const failed = await oauth.token(new Request(request), answer).then(() => undefined, (error) => error);
  send(response, answer, failed);
});

app.all('/mcp', async (request, response) => {
  const answer = new Response(response);
  const failed = await oauth.authenticate(new Request(request), answer).then(() => undefined, (error) => error);
  if (failed) send(response, answer, failed);
  else response.send('hello');
});

app.post('/lab/forget-clients', (_, response) => {
  clients.clear();
  response.sendStatus(204);
});

app.listen(PORT, '127.0.0.1');
