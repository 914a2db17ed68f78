import { useMemo } from 'preact/hooks';
import type { Room } from '../../client/index.ts';
import { number, t } from './i18n.ts';
import type { Session } from './session.ts';
import { useLive } from './store.ts';

/** Changes that the ruler shows. */
const SHOWN = 120;

/** A room's `rev`s, each a tick: what came live, what by a resume, what is missing. */
export function RulerView({ session, room }: { session: Session; room: Room }) {
  const { ruler } = session.view(room);
  const name = useLive(room, () => room.name);
  const source = useMemo(
    () => ({
      subscribe(tell: () => void) {
        const ends = [session.wire.subscribe(tell), room.subscribe(tell)];
        return () => {
          for (const end of ends) end();
        };
      },
    }),
    [session, room],
  );
  const state = useLive(
    source,
    () =>
      `${ruler.top} ${ruler.missing} ${ruler.resumed} ${ruler.twice} ${ruler.disorder} ${ruler.marks.size}`,
  );
  const missing = ruler.missing;
  const isGood = missing + ruler.twice + ruler.disorder === 0;
  const marks = [...ruler.marks].slice(-SHOWN);
  const verdict = [
    t('missing', { n: missing }),
    t('twice', { n: ruler.twice }),
    ruler.disorder ? t('disorder', { n: ruler.disorder }) : t('inOrder'),
  ].join(', ');
  return (
    <section class="pad ruler" aria-label={t('ruler')} data-state={state}>
      <h2>
        {t('ruler')}{' '}
        <span class="faint" dir="auto">
          {room.to ?? `#${name}`}
        </span>
      </h2>
      <p class={isGood ? 'verdict good' : 'verdict bad'} role="status">
        {verdict}
      </p>
      <div class="ticks" role="img" aria-label={verdict}>
        {marks.length === 0 && <span class="hint">{t('rulerEmpty')}</span>}
        {marks.map(([rev, mark]) => (
          <i key={rev} class={mark} title={`rev ${rev} · ${t(`mark.${mark}`)}`} />
        ))}
      </div>
      <p class="scale faint">
        <span>{marks[0] && `rev ${number(marks[0][0])}`}</span>
        <span>{ruler.top > 0 && `rev ${number(ruler.top)}`}</span>
      </p>
      <ul class="legend">
        <li>
          <i class="live" /> {t('mark.live')}
        </li>
        <li>
          <i class="resumed" /> {t('mark.resumed')} ({number(ruler.resumed)})
        </li>
        <li>
          <i class="missing" /> {t('mark.missing')}
        </li>
      </ul>
    </section>
  );
}
