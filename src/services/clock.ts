/** The longest time that a timer can take, in milliseconds; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Calls a function at a time, however far away; at once in the next turn when it is past.
 *
 * @param time milliseconds since 1970
 * @returns the function that calls it off
 */
export function at(time: number, then: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const wait = () => {
    timer = setTimeout(look, Math.min(Math.max(0, time - Date.now()), LONGEST_MS)).unref();
  };
  const look = () => (Date.now() < time ? wait() : then());
  wait();
  return () => clearTimeout(timer);
}
