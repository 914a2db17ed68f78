import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { ChatError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { parseUsername } from '../../protocol/checks.ts';
import type { Token } from '../../protocol/identity.ts';
import type { JwksVerifier } from './jwks.ts';

/** How long our tokens are valid, in milliseconds: a week. They can be ended sooner. */
const LIFETIME_MS = 7 * 24 * 3600 * 1000;
const ALGORITHM = 'HS256';
/** The most characters of a token, which fits into a header with hundreds of rooms. */
const MAX_LENGTH = 8192;

/** Signs our tokens (JWT, RFC 7519), and verifies those of requests. */
export class Tokens {
  readonly #secret: Uint8Array;

  /** @param parts `foreign`: the verifier of an identity provider's tokens, if any */
  constructor(
    private readonly parts: { clock: Clock; foreign?: JwksVerifier | undefined },
    secret: string,
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
   * Returns the claims of a token with a valid signature and times. The algorithm chooses between our key and
   * those of the identity provider, so that neither is ever used for the other.
   *
   * @throws {ChatError} `unauthorized`, or `unavailable` when the provider's keys cannot be read
   */
  async read(jwt: string): Promise<Token> {
    const alg = this.checkSignature(jwt);
    const { foreign } = this.parts;
    if (alg !== ALGORITHM && foreign)
      return toToken(await foreign.verify(jwt).catch(explain), true);
    const options = { algorithms: [ALGORITHM], currentDate: new Date(this.parts.clock.now()) };
    const { payload } = await jwtVerify(jwt, this.#secret, options).catch(explain);
    return toToken(payload, false);
  }

  /**
   * Refuses a token with a wrong signature or an algorithm that is not accepted; a foreign signature is left to
   * {@link read}.
   *
   * @returns the algorithm
   * @throws {ChatError} `unauthorized`
   */
  checkSignature(jwt: string): string | undefined {
    if (jwt.length > MAX_LENGTH) throw bad(`is longer than ${MAX_LENGTH} characters`);
    const alg = algorithmOf(jwt);
    if (alg === ALGORITHM) {
      if (!this.#isSigned(jwt)) throw bad('is not valid');
    } else if (!this.parts.foreign?.accepts(alg)) {
      throw bad('is signed with an algorithm that is not accepted');
    }
    return alg;
  }

  /** Checks the signature at once: `jwtVerify` does it on another thread, at ten times the cost for a flood of bad ones. */
  #isSigned(jwt: string): boolean {
    const end = jwt.lastIndexOf('.');
    const given = Buffer.from(jwt.slice(end + 1), 'base64url');
    const own = createHmac('sha256', this.#secret).update(jwt.slice(0, end)).digest();
    return given.length === own.length && timingSafeEqual(given, own);
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
    if (typeof sub === 'string') return parseUsername(sub).name;
  } catch {
    // Thrown below.
  }
  throw bad('has a "sub" that is not a valid username');
}

function isListOfText(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function bad(fault: string): ChatError {
  return new ChatError('unauthorized', `The token ${fault}.`);
}
