/** The waits between attempts to connect, in milliseconds. Example: `{ first: 1000, most: 10_000 }`. */
export interface Backoff {
  /** The longest wait before the second attempt, in milliseconds; it doubles with every attempt. Default: 500. */
  first?: number;
  /** The longest wait before any attempt, in milliseconds. Default: 30,000. */
  most?: number;
}

/**
 * Exponential backoff with full jitter: clients that were cut off together do not return together.
 *
 * @param attempt 0 for the first wait
 * @param random 0 to 1
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoff(
  attempt: number,
  random: number,
  { first = 500, most = 30_000 }: Backoff = {},
): number {
  return random * Math.min(most, first * 2 ** attempt);
}
