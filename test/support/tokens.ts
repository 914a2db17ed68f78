import { afterAll } from 'bun:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** The `AUTH_SECRET` of servers that are to take {@link mint}'s tokens. */
export const SECRET = 'a secret of at least thirty-two characters';

/** A token as a back end with `AUTH_SECRET` makes it; valid for an hour unless it has another `exp`. */
export function mint(
  claims: Record<string, unknown>,
  key: CryptoKey | string = SECRET,
  header: { alg: string; kid?: string } = { alg: 'HS256' },
): Promise<string> {
  const now = Date.now() / 1000;
  return new SignJWT({ iat: now - 1, exp: Math.ceil(now) + 3600, ...claims })
    .setProtectedHeader(header)
    .sign(typeof key === 'string' ? new TextEncoder().encode(key) : key);
}

/** A token without a signature. */
export function unsigned(claims: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`;
}

/** The same token with another user in it. */
export function tampered(token: string, sub: string): string {
  const [header, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload as string, 'base64url').toString());
  const changed = Buffer.from(JSON.stringify({ ...claims, sub })).toString('base64url');
  return [header, changed, signature].join('.');
}

/** An identity provider: a key server, and the tokens that it signs. */
export interface KeyServer {
  /** The settings of a server that takes its tokens. */
  foreignKeys: { url: string; issuer: string; audience: string };
  /** How often its keys were read. */
  reads: number;
  /** From now on it does not answer, or does again. */
  isAway: boolean;
  /** Makes a new key the only one. */
  rotate(alg?: 'RS256' | 'ES256' | 'EdDSA'): Promise<void>;
  /** Signs a token with the present key. */
  sign(claims: Record<string, unknown>): Promise<string>;
}

export async function startKeyServer(): Promise<KeyServer> {
  let keys: object[] = [];
  let sign: KeyServer['sign'];
  let made = 0;
  const served = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => {
      keyServer.reads += 1;
      return keyServer.isAway ? new Response('', { status: 500 }) : Response.json({ keys });
    },
  });
  afterAll(() => served.stop(true));
  const foreignKeys = {
    url: `http://127.0.0.1:${served.port}/keys`,
    issuer: 'https://login.example.com',
    audience: 'chat',
  };
  const keyServer: KeyServer = {
    foreignKeys,
    reads: 0,
    isAway: false,
    async rotate(alg = 'ES256') {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      made += 1;
      const kid = `key-${made}`;
      keys = [{ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }];
      const { issuer: iss, audience: aud } = foreignKeys;
      sign = (claims) => mint({ iss, aud, ...claims }, privateKey, { alg, kid });
    },
    sign: (claims) => sign(claims),
  };
  await keyServer.rotate();
  return keyServer;
}
