/** What the library takes of the machine it runs on; a test may hand in another. */
export interface Platform {
  /** Milliseconds since 1970. */
  now(): number;
  /** 0 to 1, exclusive. */
  random(): number;
  /** Runs something once, after so many milliseconds. @returns the function that prevents it */
  after(delay: number, run: () => void): () => void;
  /** Calls when the network is back, or the tab is seen again. @returns the function that ends it */
  onWake(run: () => void): () => void;
}

/** The last two reach the window from its document; they come with a page from the back-forward cache, too. */
const WAKING = ['online', 'visibilitychange', 'resume'];

/** A browser, Bun, Node, or a worker. */
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
