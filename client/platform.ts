/** The parts of the runtime that a test may replace. */
export interface Platform {
  /** The time, in milliseconds since 1970. */
  now(): number;
  /** A random number from 0 to 1, exclusive. */
  random(): number;
  /** Calls a function once. @param delay in milliseconds @returns the function that cancels it */
  after(delay: number, run: () => void): () => void;
  /** Calls when the network is back, or the tab is visible again. @returns the function that ends that */
  onWake(run: () => void): () => void;
}

/** The last two bubble from the document; they are fired for a page from the back-forward cache, too. */
const WAKING = ['online', 'visibilitychange', 'resume'];

/** The platform of browsers, workers, Bun and Node. */
export const platform: Platform = {
  now: Date.now,
  random: Math.random,
  after(delay, run) {
    const timer = setTimeout(run, delay);
    return () => clearTimeout(timer);
  },
  onWake(run) {
    const end = new AbortController();
    for (const event of WAKING) globalThis.addEventListener?.(event, run, end);
    return () => end.abort();
  },
};
