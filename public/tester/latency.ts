/** Latencies that are remembered; figures are of these. */
const KEPT = 5000;
/** Points of the graph. */
export const POINTS = 120;

/** Latencies of what came, in milliseconds. */
export class Latencies {
  received = 0;
  #values: number[] = [];

  add(value: number): void {
    this.received++;
    this.#values.push(Math.max(0, value));
    if (this.#values.length > KEPT * 1.1) this.#values = this.#values.slice(-KEPT);
  }

  get now(): number | undefined {
    return this.#values.at(-1);
  }

  get average(): number | undefined {
    const { length } = this.#values;
    return length ? this.#values.reduce((sum, value) => sum + value, 0) / length : undefined;
  }

  /** @param share 0 to 1: 0.95 is the value that 95 of 100 are not above */
  percentile(share: number): number | undefined {
    const sorted = this.#values.toSorted((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  }

  get latest(): number[] {
    return this.#values.slice(-POINTS);
  }
}
