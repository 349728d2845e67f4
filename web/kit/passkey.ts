/**
 * Passkeys in the browser: the server's JSON to what the browser wants, and its answer back to JSON.
 *
 * Source: W3C WebAuthn Level 3 §5.1 (parseCreationOptionsFromJSON, parseRequestOptionsFromJSON, toJSON). Browsers that do
 * not have these three yet get the same from the code below.
 */
import { problem, type Problem } from './api';

type Json = Record<string, unknown>;

/** What the platform hands to the authenticator: the challenge, sealed, and what the browser asks for. */
export interface Ceremony {
  ceremony: string;
  options: Json;
}

function bytes(text: string): ArrayBuffer {
  const padded = text.replaceAll('-', '+').replaceAll('_', '/').padEnd(Math.ceil(text.length / 4) * 4, '=');
  return Uint8Array.from(atob(padded), (c) => c.charCodeAt(0)).buffer;
}

function text(buffer: ArrayBuffer | null): string | null {
  if (!buffer) return null;
  const plain = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join('');
  return btoa(plain).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** The options themselves, whether or not the server wraps them in `publicKey`. */
function bare(options: Json): Json {
  return typeof options['publicKey'] === 'object' ? (options['publicKey'] as Json) : options;
}

function descriptors(list: unknown): PublicKeyCredentialDescriptor[] {
  if (!Array.isArray(list)) return [];
  return list.map((one: Json) => ({ ...one, type: 'public-key', id: bytes(String(one['id'])) }) as PublicKeyCredentialDescriptor);
}

function requestOptions(json: Json): PublicKeyCredentialRequestOptions {
  if (typeof PublicKeyCredential.parseRequestOptionsFromJSON === 'function') {
    return PublicKeyCredential.parseRequestOptionsFromJSON(json as unknown as PublicKeyCredentialRequestOptionsJSON);
  }
  return { ...json, challenge: bytes(String(json['challenge'])), allowCredentials: descriptors(json['allowCredentials']) } as PublicKeyCredentialRequestOptions;
}

function creationOptions(json: Json): PublicKeyCredentialCreationOptions {
  if (typeof PublicKeyCredential.parseCreationOptionsFromJSON === 'function') {
    return PublicKeyCredential.parseCreationOptionsFromJSON(json as unknown as PublicKeyCredentialCreationOptionsJSON);
  }
  const user = json['user'] as Json;
  return {
    ...json,
    challenge: bytes(String(json['challenge'])),
    user: { ...user, id: bytes(String(user['id'])) },
    excludeCredentials: descriptors(json['excludeCredentials']),
  } as unknown as PublicKeyCredentialCreationOptions;
}

function toJson(credential: PublicKeyCredential): Json {
  if (typeof credential.toJSON === 'function') return credential.toJSON() as unknown as Json;
  const answer = credential.response as AuthenticatorAssertionResponse & AuthenticatorAttestationResponse;
  const response: Json = { clientDataJSON: text(answer.clientDataJSON) };
  if ('attestationObject' in answer) {
    response['attestationObject'] = text(answer.attestationObject);
    response['transports'] = answer.getTransports?.() ?? [];
  } else {
    const assertion = credential.response as AuthenticatorAssertionResponse;
    response['authenticatorData'] = text(assertion.authenticatorData);
    response['signature'] = text(assertion.signature);
    response['userHandle'] = text(assertion.userHandle);
  }
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
}

/** Whether this browser can use passkeys here (it needs HTTPS, or localhost by name). */
export function canUsePasskeys(): boolean {
  return typeof PublicKeyCredential === 'function' && isSecureContext;
}

/** Why the key was not used, in words. */
export function keyProblem(error: unknown): Problem | null {
  if (!(error instanceof DOMException)) return null;
  if (error.name === 'InvalidStateError') {
    return problem(
      'passkey-exists',
      { fr: 'Cet appareil a déjà une clé pour ce compte.', en: 'This device already has a key for this account.' },
      { fr: 'Identifiez-vous avec elle : il n’y a rien d’autre à faire.', en: 'Sign in with it: there is nothing else to do.' },
    );
  }
  if (error.name === 'SecurityError') {
    return problem(
      'passkey-address',
      { fr: 'L’adresse de cette page n’est pas celle de la plateforme.', en: 'The address of this page is not the platform’s.' },
      { fr: 'Ouvrez-la par son nom (et non par des chiffres), puis recommencez.', en: 'Open it by its name (not by numbers), then try again.' },
    );
  }
  return problem(
    'passkey-cancelled',
    { fr: 'La clé d’accès n’a pas été utilisée.', en: 'The passkey was not used.' },
    {
      fr: 'La demande a été annulée, ou le temps est passé. Vous pouvez recommencer. Si vous avez perdu votre clé, demandez une invitation à votre administrateur.',
      en: 'The request was cancelled, or time ran out. You can try again. If you lost your key, ask your administrator for an invitation.',
    },
  );
}

/** Ask the person's authenticator to prove who they are. Rejects with a DOMException when it does not. */
export async function useKey(options: Json): Promise<Json> {
  const found = await navigator.credentials.get({ publicKey: requestOptions(bare(options)) });
  if (!(found instanceof PublicKeyCredential)) throw new DOMException('no credential', 'NotAllowedError');
  return toJson(found);
}

/** Make a new key on the person's authenticator. Rejects with a DOMException when it does not. */
export async function makeKey(options: Json): Promise<Json> {
  const made = await navigator.credentials.create({ publicKey: creationOptions(bare(options)) });
  if (!(made instanceof PublicKeyCredential)) throw new DOMException('no credential', 'NotAllowedError');
  return toJson(made);
}
