// An OpenID provider by others (the npm package oidc-provider), set up as an operator would: two clients and one person.
// Prints one line of JSON when it is ready; ends when its standard input does. With the client “silent” it knows the person well
// and says nothing of it: no `acr` in the token, though one was asked for.
import { createServer } from 'node:http'
import { generateKeyPairSync } from 'node:crypto'
import Provider from 'oidc-provider'

const [redirect, shared, acr] = process.argv.slice(2)
const keys = [generateKeyPairSync('rsa', { modulusLength: 2048 }), generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('ed25519')]
const jwks = { keys: keys.map(({ privateKey }, n) => ({ ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: `peer-${n}` })) }
const client = (id, more = {}) => ({ client_id: id, client_secret: shared, redirect_uris: [redirect], ...more })

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    jwks,
    clients: [
      client('plain'),
      client('signed', { id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'ES256' }),
      client('edwards', { id_token_signed_response_alg: 'EdDSA' }),
      client('probabilistic', { id_token_signed_response_alg: 'PS256' }),
      client('shared', { id_token_signed_response_alg: 'HS256', token_endpoint_auth_method: 'client_secret_post' }),
      client('silent'),
    ],
    acrValues: ['eidas1', 'eidas2', 'eidas3'],
    claims: { openid: ['sub'], acr: null, profile: ['given_name', 'family_name', 'birthdate'], email: ['email'] },
    cookies: { keys: ['nothing here is secret'] },
    features: { devInteractions: { enabled: false }, jwtUserinfo: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'PS256', 'EdDSA', 'HS256'], userinfoSigningAlgValues: ['ES256'] },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, given_name: 'Zoé', family_name: 'Peer', birthdate: '1991-01-31', email: 'zoe@example.org' }),
    }),
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
      grant.addOIDCScope('openid profile email')
      await grant.save()
      return grant
    },
  })
  const answer = provider.callback()
  server.on('request', async (request, response) => {
    if (!request.url.startsWith('/interaction/')) return answer(request, response)
    const { params } = await provider.interactionDetails(request, response)
    const login = { accountId: 'zoe', ...(params.client_id === 'silent' ? {} : { acr }) }
    await provider.interactionFinished(request, response, { login })
  })
  process.stdout.write(JSON.stringify({ issuer }) + '\n')
})
process.stdin.resume().on('end', () => process.exit(0))
