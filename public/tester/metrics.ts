import { ChatError } from '../../client/index.ts';

export interface Metric {
  name: string;
  value: number;
}

/**
 * The figures of the server, in Prometheus' text format.
 *
 * @param token of an admin
 * @throws {ChatError} when they are not for this user
 */
export async function readMetrics(token: string | undefined): Promise<Metric[]> {
  const headers = { ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch('/metrics', { headers });
  if (!response.ok) throw new ChatError('forbidden', `/metrics: ${response.status}`);
  const lines = (await response.text()).split('\n').filter((line) => line && !line.startsWith('#'));
  return lines.map((line) => {
    const end = line.lastIndexOf(' ');
    return { name: line.slice(0, end), value: Number(line.slice(end + 1)) };
  });
}

export function figureOf(metrics: readonly Metric[], name: string): number {
  return metrics.find((metric) => metric.name === name)?.value ?? 0;
}

/** What a histogram has counted: how many values were not above each bound. */
export interface Histogram {
  readonly bounds: readonly { readonly upTo: number; readonly count: number }[];
  readonly count: number;
}

/** @param before as the histogram was earlier: only what came since then counts */
export function histogramOf(
  metrics: readonly Metric[],
  name: string,
  before: readonly Metric[] = [],
): Histogram {
  const prefix = `${name}_bucket{le="`;
  const buckets = metrics.filter((metric) => metric.name.startsWith(prefix));
  const bounds = buckets.map((bucket) => ({
    upTo: Number(bucket.name.slice(prefix.length, -2).replace('+Inf', 'Infinity')),
    count: bucket.value - figureOf(before, bucket.name),
  }));
  return { bounds, count: bounds.at(-1)?.count ?? 0 };
}

/**
 * The value that a share of all is not above, as far as the bounds tell.
 *
 * @param share 0 to 1
 * @returns undefined when nothing was counted; the last bound, and `isAbove`, where it is above that
 */
export function quantile({ bounds, count }: Histogram, share: number) {
  if (!count) return undefined;
  const rank = share * count;
  const index = bounds.findIndex((bound) => bound.count >= rank);
  const low = bounds[index - 1] ?? { upTo: 0, count: 0 };
  const high = bounds[index];
  if (!high || high.upTo === Number.POSITIVE_INFINITY) return { value: low.upTo, isAbove: true };
  const part = (rank - low.count) / (high.count - low.count);
  return { value: low.upTo + (high.upTo - low.upTo) * part, isAbove: false };
}
