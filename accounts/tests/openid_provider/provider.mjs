// A real OpenID provider whose people agree to everything at once.
// Run as: node provider.mjs <port> <redirect uri>; who signs in is the login_hint.
import http from 'node:http';
import Provider from 'oidc-provider';

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const people = {
  anna: { email: 'anna@example.com', email_verified: true, name: 'Anna Smith' },
  eve: { email: 'anna@example.com', email_verified: false, name: 'Eve' },
};

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'shop',
      client_secret: 'shop-secret-for-tests-only',
      redirect_uris: [redirectUri],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ['for tests only'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, ...people[id] }),
  }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
});

async function agree(req, res) {
  const { prompt, params, session } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') {
    const login = { accountId: params.login_hint };
    return provider.interactionFinished(req, res, { login });
  }
  const grant = new provider.Grant({
    accountId: session.accountId,
    clientId: params.client_id,
  });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(req, res, { consent });
}

const callback = provider.callback();
http
  .createServer((req, res) => {
    if (!req.url.startsWith('/interaction/')) return callback(req, res);
    return agree(req, res).catch((error) => {
      res.statusCode = 500;
      res.end(String(error));
    });
  })
  .listen(Number(port), '127.0.0.1', () => console.log('ready'));
