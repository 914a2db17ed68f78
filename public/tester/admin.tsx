import { useEffect, useState } from 'preact/hooks';
import { ChatError, type RoomInfo } from '../../client/index.ts';
import { explain } from './explain.ts';
import { Graph } from './graph.tsx';
import { number, t } from './i18n.ts';
import { POINTS } from './latency.ts';
import { LatencyTable } from './latency-table.tsx';
import { Figure } from './load-lab.tsx';
import { figureOf, type Metric, readMetrics } from './metrics.ts';
import type { Session } from './session.ts';

/** How often the figures are asked for, in milliseconds. */
const ASK_MS = 2000;
/** Answers that are remembered: those of a minute. */
const REMEMBERED = 60_000 / ASK_MS + 1;

/** For admins: how the server does, its rooms, and who may come in. */
export function Admin({ session }: { session: Session }) {
  const [seen, setSeen] = useState<Metric[][]>([]);
  const [rates, setRates] = useState<number[]>([]);
  const [rooms, setRooms] = useState<RoomInfo[]>([]);
  const [problem, setProblem] = useState<string>();
  const [done, setDone] = useState<string>();

  useEffect(() => {
    let isCurrent = true;
    let last: { at: number; changes: number } | undefined;
    const ask = async () => {
      try {
        const found = await readMetrics(session.token);
        const listed = await (await session.chat.api).rooms();
        if (!isCurrent) return;
        const changes = figureOf(found, 'ws_chat_changes_total');
        const at = performance.now();
        if (last) {
          const rate = ((changes - last.changes) * 1000) / (at - last.at);
          setRates((before) => [...before, rate].slice(-POINTS));
        }
        last = { at, changes };
        setSeen((before) => [...before, found].slice(-REMEMBERED));
        setRooms(listed.toSorted((a, b) => b.userCount - a.userCount));
        setProblem(undefined);
      } catch (error) {
        if (isCurrent) setProblem(error instanceof ChatError ? explain(error) : `${error}`);
      }
    };
    void ask();
    const timer = setInterval(ask, ASK_MS);
    return () => {
      isCurrent = false;
      clearInterval(timer);
    };
  }, [session]);

  async function ban(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const username =
      `${new FormData(event.currentTarget as HTMLFormElement).get('username')}`.trim();
    const isBan = (event.submitter as HTMLButtonElement | null)?.value === 'ban';
    try {
      const api = await session.chat.api;
      await (isBan ? api.banUser(username) : api.unbanUser(username));
      setDone(t(isBan ? 'isBanned' : 'isLetIn', { name: username }));
      setProblem(undefined);
    } catch (error) {
      setDone(undefined);
      setProblem(error instanceof ChatError ? explain(error) : `${error}`);
    }
  }

  const metrics = seen.at(-1);
  const top = Math.max(10, ...rates);
  return (
    <>
      {problem && (
        <p class="pad problem" role="alert">
          {session.isAdmin ? problem : t('adminsOnly')}
        </p>
      )}
      {metrics && (
        <section class="pad">
          <h2>{t('liveNow')}</h2>
          <dl class="figures big">
            <Figure
              name={t('connections')}
              value={number(figureOf(metrics, 'ws_chat_connections'))}
            />
            <Figure name={t('rooms')} value={number(figureOf(metrics, 'ws_chat_rooms'))} />
            <Figure name={t('people')} value={number(figureOf(metrics, 'ws_chat_people'))} />
            <Figure name={t('changesPerSecond')} value={number(rates.at(-1) ?? 0, 1)} />
          </dl>
          <Graph values={rates} top={top} label={t('changesPerSecond')} most={number(top)} />
          <LatencyTable now={metrics} before={seen.length > 1 ? seen[0] : undefined} />
        </section>
      )}
      {metrics && (
        <section class="pad">
          <h2>{t('users')}</h2>
          <form class="line-form" onSubmit={ban}>
            <input
              name="username"
              aria-label={t('name')}
              placeholder={t('name')}
              required
              maxLength={64}
            />
            <button type="submit" value="ban" class="danger">
              {t('ban')}
            </button>
            <button type="submit" value="unban">
              {t('letIn')}
            </button>
          </form>
          <p class="hint" role="status">
            {done}
          </p>
        </section>
      )}
      {metrics && (
        <section class="pad">
          <h2>{t('rooms')}</h2>
          <table>
            <thead>
              <tr>
                <th>{t('room')}</th>
                <th>{t('owner')}</th>
                <th>{t('people')}</th>
              </tr>
            </thead>
            <tbody>
              {rooms.map(({ name, owner, userCount }) => (
                <tr key={name}>
                  <td class="clip">#{name}</td>
                  <td class="clip">{owner ?? '–'}</td>
                  <td>{number(userCount)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <details>
            <summary>{t('allFigures')}</summary>
            <table>
              <tbody>
                {metrics.map(({ name, value }) => (
                  <tr key={name}>
                    <td class="clip">{name}</td>
                    <td>{number(value, 4)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        </section>
      )}
    </>
  );
}
