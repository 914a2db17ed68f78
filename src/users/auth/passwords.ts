import { availableParallelism } from 'node:os';
import { ChatError } from '../../errors.ts';
import { FairQueue } from '../../lib/fair-queue.ts';

/**
 * The cost of one hash: about 50 ms of a core and 19 MiB.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
 */
const COST = { memoryCost: 19 * 1024, timeCost: 2 };

/** How many hashes run at once; the other half of the cores is for all other work. */
const AT_ONCE = Math.max(1, availableParallelism() >> 1);
/** How many may wait: about two seconds of work. Further ones get `overloaded`. */
const MAX_WAITING = 40 * AT_ONCE;

/** A hash that takes as long to verify as a real one, and matches no password. */
const DECOY = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=1$${'A'.repeat(43)}$${'A'.repeat(43)}`;

/**
 * Hashes a password with argon2id, off the event loop.
 *
 * @returns the hash in PHC's string format, its salt and cost included
 */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(normal(password), { algorithm: 'argon2id', ...COST });
}

/** @param hash of {@link hashPassword}; without one the result is false, in the same time */
export function verifyPassword(password: string, hash: string | null | undefined) {
  return Bun.password.verify(normal(password), hash ?? DECOY);
}

/**
 * A queue for registering and signing in, a few at a time, which bounds their memory and cores; the keys are
 * networks, which take turns. Looking the user up is part of a turn, so that a crowd does not load the database.
 */
export function passwordQueue(): FairQueue {
  return new FairQueue({
    atOnce: AT_ONCE,
    atOncePerKey: AT_ONCE,
    waiting: MAX_WAITING,
    tooMany: () => new ChatError('overloaded', 'Too many sign-ins at once; try again.', 2),
  });
}

/** One form of a password that can be typed in several ways, as NIST SP 800-63B advises. */
function normal(password: string): string {
  return password.normalize('NFKC');
}
