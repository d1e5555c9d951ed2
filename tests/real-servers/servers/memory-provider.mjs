// What the TypeScript SDK leaves to its users: clients, codes and tokens, here all of them in memory.
import { randomUUID } from 'node:crypto';
import { InvalidGrantError, InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';

const LIFE = 3600;

export class MemoryProvider {
  clients = new Map();
  codes = new Map();
  access = new Map();
  refresh = new Map();

  clientsStore = {
    getClient: (id) => this.clients.get(id),
    registerClient: (client) => {
      this.clients.set(client.client_id, client);
      return client;
    },
  };

  async authorize(client, params, response) {
    const code = randomUUID();
    this.codes.set(code, { client: client.client_id, challenge: params.codeChallenge });
    const back = new URL(params.redirectUri);
    back.searchParams.set('code', code);
    if (params.state) back.searchParams.set('state', params.state);
    response.redirect(back.href);
  }

  async challengeForAuthorizationCode(_client, code) {
    return this.#known(this.codes, code).challenge;
  }

  async exchangeAuthorizationCode(client, code) {
    this.codes.delete(code);
    return this.#pair(client);
  }

  async exchangeRefreshToken(client, token) {
    this.#known(this.refresh, token);
    this.refresh.delete(token);
    return this.#pair(client);
  }

  async verifyAccessToken(token) {
    const found = this.access.get(token);
    if (!found) throw new InvalidTokenError('unknown access token');
    return found;
  }

  #known(map, token) {
    const found = map.get(token);
    if (!found) throw new InvalidGrantError('unknown token');
    return found;
  }

  #pair({ client_id: clientId }) {
    const [access_token, refresh_token] = [randomUUID(), randomUUID()];
    this.access.set(access_token, { token: access_token, clientId, scopes: [], expiresAt: Date.now() / 1000 + LIFE });
    this.refresh.set(refresh_token, { clientId });
    return { access_token, refresh_token, token_type: 'bearer', expires_in: LIFE };
  }
}
