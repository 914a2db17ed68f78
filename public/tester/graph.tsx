import { number, t } from './i18n.ts';
import { POINTS } from './latency.ts';

/** A line of latencies; the label says what it shows. */
export function Graph({
  values,
  top,
  label,
}: {
  values: readonly number[];
  top: number;
  label: string;
}) {
  const points = values.map(
    (value, index) =>
      `${240 - ((values.length - 1 - index) * 240) / (POINTS - 1)},${(46 - (42 * value) / top).toFixed(1)}`,
  );
  return (
    <svg
      class="graph"
      viewBox="0 0 240 48"
      role="img"
      aria-label={label}
      preserveAspectRatio="none"
    >
      <path class="grid" d="M0 46H240M0 25H240M0 4H240" />
      {points.length > 1 && <polyline points={points.join(' ')} />}
      <title>{`${label}: 0–${t('ms', { n: number(top) })}`}</title>
    </svg>
  );
}
