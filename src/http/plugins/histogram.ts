import type { Registry } from 'prom-client';

/** The upper bounds in seconds: from an idle server on a fast disk to the longest wait for an answer. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** A Prometheus histogram of seconds that adds to two numbers, where prom-client's own makes objects for each value. */
export class Histogram {
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  /** The values up to each bound and above the one before; the last ones are above all. */
  readonly #counts = new Array<number>(BOUNDS.length + 1).fill(0);
  #sum = 0;

  /** @param name of the metric, and what `help` says of it */
  constructor(
    readonly name: string,
    readonly help: string,
  ) {}

  /** Adds the histogram to those that are rendered. */
  register(registry: Registry): this {
    registry.registerMetric(this as never);
    return this;
  }

  observe(seconds: number): void {
    let n = 0;
    while (n < BOUNDS.length && seconds > (BOUNDS[n] as number)) n += 1;
    this.#counts[n] = (this.#counts[n] as number) + 1;
    this.#sum += seconds;
  }

  /** The form in which prom-client renders metrics. */
  get() {
    const { name, help, type, aggregator } = this;
    let count = 0;
    const buckets = this.#counts.map((more, n) => {
      count += more;
      return { metricName: `${name}_bucket`, labels: { le: BOUNDS[n] ?? '+Inf' }, value: count };
    });
    const total = (of: string, value: number) => ({
      metricName: `${name}_${of}`,
      labels: {},
      value,
    });
    const values = [...buckets, total('sum', this.#sum), total('count', count)];
    return { name, help, type, aggregator, values };
  }
}
