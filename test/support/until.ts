/** Waits until something holds. @throws when it does not within so many milliseconds */
export async function until(
  condition: string,
  holds: () => unknown,
  within = 10_000,
): Promise<void> {
  const deadline = performance.now() + within;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${condition}: not within ${within} ms`);
    await new Promise((done) => setTimeout(done, 10));
  }
}
