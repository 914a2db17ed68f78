import { availableParallelism } from 'node:os';
import { ChatError } from '../errors.ts';

/**
 * What one hash costs: about 50 ms of a core and 19 MiB.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
 */
const COST = { memoryCost: 19 * 1024, timeCost: 2 };

/** How many may be at it at once; the other half of the cores is for everyone else. */
const AT_ONCE = Math.max(1, availableParallelism() >> 1);
/** How many may wait: about two seconds of work. Who comes later is told to. */
const MAX_WAITING = 40 * AT_ONCE;

/** Takes as long to compare with as a real hash, and is equal to none. */
const DECOY = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=1$${'A'.repeat(43)}$${'A'.repeat(43)}`;

/**
 * Hashes a password with argon2id, off the event loop.
 *
 * @returns the hash in PHC's string format, its salt and cost included
 */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(normal(password), { algorithm: 'argon2id', ...COST });
}

/** @param hash what {@link hashPassword} returned; where there is none the answer is no, in the same time */
export function verifyPassword(password: string, hash: string | null | undefined) {
  return Bun.password.verify(normal(password), hash ?? DECOY);
}

/**
 * Registering and signing in, a few at a time, so that however many come at once neither the memory nor
 * the cores are filled. Looking the user up is part of a turn, so that a crowd costs the database nothing.
 */
export class PasswordTurns {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** @throws {ChatError} `overloaded` when too many wait already, and what `work` throws */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running === AT_ONCE) {
      if (this.#waiting.length === MAX_WAITING) {
        throw new ChatError('overloaded', 'Too many are signing in at once; try again.', 2);
      }
      // Whoever is done hands its place on.
      await new Promise<void>((done) => this.#waiting.push(done));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

/** One form of what can be typed in several ways, as NIST SP 800-63B advises. */
function normal(password: string): string {
  return password.normalize('NFKC');
}
