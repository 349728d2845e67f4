/** What the wallet shows over the network: an SD-JWT with key binding (RFC 9901), encrypted to the gate (OpenID4VP 1.0 §8.3). */
import { base64url, fromBase64url, seal } from '../../shared/seal';
import { sha256, utf8, type Bytes } from './bytes';
import { compact } from './keys';
import type { Claim } from './question';
import type { Request } from './request';

const BINDING = 'kb+jwt';

/** The body that is posted; `secret`: empty where no claim needs it, `now` in seconds since 1970. @throws Error */
export async function respond(request: Request, credential: string, secret: Bytes, holder: CryptoKey, now: number): Promise<string> {
  const told = {
    vp_token: { [request.query]: [await present(credential, request, holder, now)] },
    state: request.state,
    ...(secret.length > 0 ? { egide_secret: base64url(secret) } : {}),
  };
  const { kid, ...key } = request.encryption;
  return `response=${await seal(utf8(JSON.stringify(told)), key, kid)}`;
}

/** A presentation of the claims asked for and no other, as `egide/protocols/sdjwt/present.py`. @throws Error where one is missing */
export async function present(credential: string, { claims, client, nonce }: Request, holder: CryptoKey, now: number): Promise<string> {
  const [token = '', ...disclosures] = credential.split('~');
  const named = new Map(disclosures.filter(Boolean).map((one) => [nameOf(one), one]));
  const chosen = [...named].filter(([name]) => claims.includes(name as Claim)).map(([, one]) => one);
  if (chosen.length !== claims.length) throw new Error('the token does not say what is asked');
  const shown = [token, ...chosen, ''].join('~');
  const sd_hash = base64url(await sha256(utf8(shown)));
  return shown + (await compact({ typ: BINDING }, { iat: now, aud: client, nonce, sd_hash }, holder));
}

function nameOf(disclosure: string): string {
  const [, name] = JSON.parse(new TextDecoder().decode(fromBase64url(disclosure))) as [string, string, unknown];
  return name;
}
