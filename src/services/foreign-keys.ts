import {
  createRemoteJWKSet,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type JWTPayload,
  jwtVerify,
} from 'jose';
import type { ForeignKeys } from '../config.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';

const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
/** After this many milliseconds the keys are read again, so that a withdrawn one is noticed. */
const REREAD_AFTER_MS = 10 * 60_000;
/** They are never read more often than this, in milliseconds, whatever tokens name. */
const READ_EVERY_MS = 1000;

/**
 * The keys that someone else signs tokens with. They are read when they are first needed, when a token
 * names one that is not known, and now and then; while the key server is away, those that are known
 * stay good.
 */
export class ForeignKeySet {
  /** Reads only when it is told to. */
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  #triedAt = 0;
  #reading: Promise<void> | undefined;

  constructor(
    private readonly settings: ForeignKeys,
    private readonly log: Logger,
  ) {
    this.#keys = createRemoteJWKSet(new URL(settings.url), {
      cacheMaxAge: Infinity,
      cooldownDuration: Infinity,
    });
  }

  takes(algorithm: string | undefined): boolean {
    return algorithm !== undefined && ALGORITHMS.includes(algorithm);
  }

  /**
   * The claims of a token, when its signature, issuer, audience and times are good.
   *
   * @throws {ChatError} `unavailable` when the key is not known and the key server does not answer
   * @throws whatever jose finds wrong with the token
   */
  async verify(jwt: string): Promise<JWTPayload> {
    const { issuer, audience } = this.settings;
    const { payload } = await jwtVerify(jwt, (header, token) => this.#key(header, token), {
      algorithms: ALGORITHMS,
      issuer,
      audience,
    });
    return payload;
  }

  async #key(header: JWSHeaderParameters, token: FlattenedJWSInput) {
    if (!this.#keys.jwks()) await this.#read();
    else if (Date.now() > this.#triedAt + REREAD_AFTER_MS) this.#read().catch(() => {});
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#read();
      return this.#keys(header, token);
    }
  }

  /** All who need the keys at the same time share one request. */
  #read(): Promise<void> {
    this.#reading ??= this.#readSoon().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readSoon(): Promise<void> {
    await Bun.sleep(this.#triedAt + READ_EVERY_MS - Date.now());
    this.#triedAt = Date.now();
    try {
      await this.#keys.reload();
    } catch (error) {
      this.log.warn({ reason: (error as Error).message }, 'AUTH_JWKS_URL cannot be read');
      throw new ChatError('unavailable', 'The key server does not answer; try again.', 5);
    }
  }
}
