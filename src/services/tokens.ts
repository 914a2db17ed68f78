import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { ChatError } from '../errors.ts';
import type { Token } from '../types/identity.ts';
import { parseUsername } from '../types/text.ts';
import type { ForeignKeySet } from './foreign-keys.ts';

/** How long our tokens are good, in milliseconds: a week. They can be ended sooner. */
const LIFETIME_MS = 7 * 24 * 3600 * 1000;
const ALGORITHM = 'HS256';

/** Signs our tokens (JWT, RFC 7519), and reads those that are shown. */
export class Tokens {
  readonly #secret: Uint8Array;

  /** @param foreign the keys of others whose tokens are accepted, if any */
  constructor(
    secret: string,
    private readonly foreign?: ForeignKeySet,
  ) {
    this.#secret = new TextEncoder().encode(secret);
  }

  /** @param issuedAt milliseconds since 1970; the token keeps them, so that it can be ended to the millisecond */
  async issue(username: string, issuedAt: number): Promise<{ token: string; expiresAt: string }> {
    const exp = Math.floor((issuedAt + LIFETIME_MS) / 1000);
    const token = await new SignJWT({ sub: username, iat: issuedAt / 1000, exp })
      .setProtectedHeader({ alg: ALGORITHM })
      .sign(this.#secret);
    return { token, expiresAt: new Date(exp * 1000).toISOString() };
  }

  /**
   * What a token says, once its signature and times are found good. The algorithm chooses between our
   * key and those of others, so that neither is ever taken for the other.
   *
   * @throws {ChatError} `unauthorized`, or `unavailable` when the keys of others cannot be had
   */
  async read(jwt: string): Promise<Token> {
    const alg = algorithmOf(jwt);
    if (alg === ALGORITHM) {
      const { payload } = await jwtVerify(jwt, this.#secret, { algorithms: [ALGORITHM] }).catch(
        explain,
      );
      return toToken(payload, false);
    }
    if (!this.foreign?.takes(alg)) throw bad('is not signed in a way that is accepted here');
    return toToken(await this.foreign.verify(jwt).catch(explain), true);
  }
}

function algorithmOf(jwt: string): string | undefined {
  try {
    return decodeProtectedHeader(jwt).alg;
  } catch {
    throw bad('is not a JSON Web Token');
  }
}

function explain(error: unknown): never {
  if (error instanceof ChatError) throw error;
  if (error instanceof errors.JWTExpired) throw bad('has expired');
  if (error instanceof errors.JWTClaimValidationFailed) throw bad(`has a wrong "${error.claim}"`);
  throw bad('is not valid');
}

function toToken({ sub, role, iat, exp, rooms }: JWTPayload, isForeign: boolean): Token {
  if (rooms !== undefined && !isListOfText(rooms)) {
    throw bad('has "rooms" that are not a list of patterns');
  }
  return {
    username: toUsername(sub),
    role: role === 'admin' ? 'admin' : 'user',
    issuedAt: iat === undefined ? undefined : Math.round(iat * 1000),
    expiresAt: exp === undefined ? undefined : exp * 1000,
    rooms,
    isForeign,
  };
}

function toUsername(sub: unknown): string {
  try {
    return parseUsername(String(sub ?? '')).name;
  } catch {
    throw bad('has a "sub" that cannot be a name here');
  }
}

function isListOfText(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function bad(what: string): ChatError {
  return new ChatError('unauthorized', `The token ${what}.`);
}
