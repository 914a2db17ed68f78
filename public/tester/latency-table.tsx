import { number, t } from './i18n.ts';
import { type Histogram, histogramOf, type Metric, quantile } from './metrics.ts';

const KINDS = ['ack', 'delivery'] as const;
const SHARES = [0.5, 0.95, 0.99];

/**
 * How long messages take, by the server's histograms: of late, or since it started where there were none of late.
 *
 * @param before the figures of a minute ago, or of when they were first looked at
 */
export function LatencyTable({ now, before }: { now: Metric[]; before: Metric[] | undefined }) {
  const of = (kind: string, since?: Metric[]) =>
    histogramOf(now, `ws_chat_${kind}_seconds`, since ?? []);
  const isOfLate = before !== undefined && KINDS.some((kind) => of(kind, before).count > 0);
  const histograms = KINDS.map((kind) => ({
    kind,
    found: of(kind, isOfLate ? before : undefined),
  }));
  const n = Math.max(...histograms.map(({ found }) => found.count));
  return (
    <>
      <table class="latencies">
        <thead>
          <tr>
            <th>{t('latency')}</th>
            {SHARES.map((share) => (
              <th key={share}>p{share * 100}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {histograms.map(({ kind, found }) => (
            <tr key={kind}>
              <td>{t(`latency.${kind}`)}</td>
              {SHARES.map((share) => (
                <td key={share}>{milliseconds(found, share)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint">{t(isOfLate ? 'latencyOfMinute' : 'latencyOfAll', { n })}</p>
    </>
  );
}

function milliseconds(histogram: Histogram, share: number): string {
  const found = quantile(histogram, share);
  if (!found) return '–';
  const ms = found.value * 1000;
  const value = t('ms', { n: number(ms, ms < 10 ? 1 : 0) });
  return found.isAbove ? t('above', { value }) : value;
}
