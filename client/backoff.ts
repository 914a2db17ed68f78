/** How long to wait before trying again, in milliseconds. */
export interface Backoff {
  /** The most before the second try; every further try may wait twice as long. Default: 500. */
  first?: number;
  /** The most before any try. Default: 30,000. */
  most?: number;
}

/**
 * Exponential, with full jitter: clients that were cut off together do not come back together.
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
