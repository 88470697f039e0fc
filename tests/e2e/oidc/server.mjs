// An OAuth 2.0 server that is not ours (oidc-provider), with a control door for the tests.
//
//   node server.mjs settings.json
//
// settings: { issuer, httpsPort, httpPort, keyFile, certFile, clients: [...] }. HTTPS is for the proxy and the browser, plain
// HTTP (loopback) for Dovecot's introspection and the control door. One line "ready" on stdout when both are listening.
//
// PUT /control changes the token endpoint's mood:
//   { rotate: bool, lifetime: seconds, expiresIn: "number"|"string"|"absent",
//     delay: ms, failure: null | { status, body, contentType, times: null|n } }
// GET /control shows it, with the number of token requests so far per grant type. DELETE /control resets both.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import Provider, { errors } from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const calm = () => ({ rotate: true, lifetime: 3600, expiresIn: 'number', delay: 0, failure: null });
let mood = calm();
let requests = {};

// As long as Microsoft's tokens are: an initial response with one does not fit into an SMTP command line.
const TOKEN_CHARACTERS = 1500;

const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  scopes: ['openid', 'offline_access', 'mail'],
  findAccount: (ctx, id) => (/@[a-z.-]+\.test$/.test(id) ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
  cookies: { keys: ['only for these tests'] },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256'] },
  pkce: { required: (ctx, client) => client.clientId.endsWith('-pkce') },
  responseTypes: ['code'],
  expiresWithSession: () => false,
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: () => mood.rotate,
  // Dovecot compares this claim with the user name in the SASL exchange.
  extraTokenClaims: (ctx, token) => ({
    username: token.accountId ?? settings.clients.find((client) => client.client_id === token.clientId)?.client_name,
  }),
  formats: { bitsOfOpaqueRandomness: (ctx, token) => (token.kind.endsWith('Token') || token.kind === 'ClientCredentials' ? 6 * TOKEN_CHARACTERS : 256) },
  ttl: {
    AccessToken: () => mood.lifetime,
    ClientCredentials: () => mood.lifetime,
    AuthorizationCode: 60,
    DeviceCode: 600,
    RefreshToken: 86400,
    Grant: 86400,
    Session: 86400,
    Interaction: 600,
    IdToken: 3600,
  },
});

provider.registerGrantType('password', async (ctx, next) => {
  const { client, params } = ctx.oidc;
  const account = await provider.Account.findAccount(ctx, params.username);
  if (!account || params.password !== settings.password) {
    throw new errors.InvalidGrant('user name or password is wrong');
  }
  const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  grant.addOIDCScope(params.scope ?? 'mail');
  const common = { accountId: account.accountId, client, grantId: await grant.save(), gty: 'password', scope: params.scope ?? 'mail' };
  const access = new provider.AccessToken(common);
  ctx.oidc.entity('AccessToken', access);
  ctx.body = { access_token: await access.save(), token_type: 'Bearer', expires_in: access.expiration, scope: common.scope };
  if (client.grantTypeAllowed('refresh_token')) {
    ctx.body.refresh_token = await new provider.RefreshToken({ ...common, rotations: 0 }).save();
  }
  await next();
}, ['username', 'password', 'scope', 'resource'], []);

provider.use(async (ctx, next) => {
  if (ctx.method !== 'POST' || ctx.path !== '/token') return next();
  if (mood.delay) await new Promise((resolve) => { setTimeout(resolve, mood.delay); });
  requests.total = (requests.total ?? 0) + 1;
  const { failure } = mood;
  if (failure) {
    if (failure.times != null) {
      failure.times -= 1;
      if (failure.times <= 0) mood.failure = null;
    }
    ctx.status = failure.status;
    ctx.type = failure.contentType ?? 'text/html';
    ctx.body = failure.body ?? '<h1>Out of order</h1>';
    return undefined;
  }
  await next();
  const grantType = ctx.oidc?.params?.grant_type ?? 'unreadable';
  requests[grantType] = (requests[grantType] ?? 0) + 1;
  if (ctx.body?.expires_in !== undefined) {
    if (mood.expiresIn === 'string') ctx.body.expires_in = String(ctx.body.expires_in);
    if (mood.expiresIn === 'absent') delete ctx.body.expires_in;
  }
  return undefined;
});

provider.on('server_error', (ctx, error) => console.error('server_error', error));
provider.on('grant.error', (ctx, error) => console.error('grant.error', error.error, error.error_detail ?? error.error_description));

// nanoid sizes its pool of randomness by the first id that it makes, and 128 times one of our long tokens is too much for it.
await new provider.Grant({ accountId: 'nobody@example.test', clientId: 'mail' }).save();

const serve = provider.callback();

async function withControl(request, response) {
  if (request.url !== '/control') return serve(request, response);
  if (request.method === 'DELETE') {
    mood = calm();
    requests = {};
  } else if (request.method === 'PUT') {
    let text = '';
    for await (const chunk of request) text += chunk;
    mood = { ...mood, ...JSON.parse(text) };
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ ...mood, requests }));
  return undefined;
}

const tls = { key: readFileSync(settings.keyFile), cert: readFileSync(settings.certFile) };
https.createServer(tls, serve).listen(settings.httpsPort, '127.0.0.1', () => {
  http.createServer(withControl).listen(settings.httpPort, '127.0.0.1', () => console.log('ready'));
});
