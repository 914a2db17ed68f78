import {
  createRemoteJWKSet,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type JWTPayload,
  jwtVerify,
} from 'jose';
import type { ForeignKeys } from '../../config.ts';
import { ChatError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../log.ts';

const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
/** After this many milliseconds the keys are read again, so that a withdrawn key is noticed. */
const REREAD_AFTER_MS = 10 * 60_000;
/** The keys are never read more often than this, in milliseconds, whatever keys tokens name. */
const READ_EVERY_MS = 1000;

/**
 * Verifies the tokens of an identity provider. Its keys are read when they are first needed, when a token names an
 * unknown key, and every ten minutes of use; while the key server is away, known keys stay valid.
 */
export class JwksVerifier {
  /** Reads the keys only when told to, since jose would refuse known keys while the key server is away. */
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  #triedAt = 0;
  #reading: Promise<void> | undefined;

  constructor(
    private readonly parts: { clock: Clock; log: Logger },
    private readonly settings: ForeignKeys,
  ) {
    this.#keys = createRemoteJWKSet(new URL(settings.url), {
      cacheMaxAge: Infinity,
      cooldownDuration: Infinity,
    });
  }

  accepts(algorithm: string | undefined): boolean {
    return algorithm !== undefined && ALGORITHMS.includes(algorithm);
  }

  /**
   * The claims of a token, when its signature, issuer, audience and times are good.
   *
   * @throws {ChatError} `unavailable` when the key is not known and the key server does not answer
   * @throws the errors of jose for an invalid token
   */
  async verify(jwt: string): Promise<JWTPayload> {
    const { issuer, audience } = this.settings;
    const { payload } = await jwtVerify(jwt, (header, token) => this.#key(header, token), {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      currentDate: new Date(this.parts.clock.now()),
    });
    return payload;
  }

  async #key(header: JWSHeaderParameters, token: FlattenedJWSInput) {
    if (!this.#keys.jwks()) await this.#read();
    else if (this.parts.clock.now() > this.#triedAt + REREAD_AFTER_MS) this.#read().catch(() => {});
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#read();
      return this.#keys(header, token);
    }
  }

  /** Concurrent callers share one request. */
  #read(): Promise<void> {
    this.#reading ??= this.#readSoon().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readSoon(): Promise<void> {
    await this.parts.clock.sleep(this.#triedAt + READ_EVERY_MS - this.parts.clock.now());
    this.#triedAt = this.parts.clock.now();
    try {
      await this.#keys.reload();
    } catch (error) {
      this.parts.log.warn({ reason: (error as Error).message }, 'AUTH_JWKS_URL cannot be read');
      throw new ChatError('unavailable', 'The key server does not answer; try again.', 5);
    }
  }
}
