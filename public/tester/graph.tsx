import { POINTS } from './latency.ts';

/** A line of figures; the label says what it shows, and `most` what its top is, with the unit. */
export function Graph({
  values,
  top,
  label,
  most,
}: {
  values: readonly number[];
  top: number;
  label: string;
  most: string;
}) {
  const points = values.map(
    (value, index) =>
      `${240 - ((values.length - 1 - index) * 240) / (POINTS - 1)},${(46 - (42 * value) / top).toFixed(1)}`,
  );
  return (
    <div class="graph-frame">
      <span class="graph-top" aria-hidden="true">
        {most}
      </span>
      <svg
        class="graph"
        viewBox="0 0 240 48"
        role="img"
        aria-label={label}
        preserveAspectRatio="none"
      >
        <path class="grid" d="M0 46H240M0 25H240M0 4H240" />
        {points.length > 1 && <polyline points={points.join(' ')} />}
        <title>{`${label}: 0–${most}`}</title>
      </svg>
    </div>
  );
}
