import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { IconButton } from './button.tsx';
import { download } from './download.ts';
import { FrameDetail } from './frame-detail.tsx';
import { FrameRow, ROW } from './frame-row.tsx';
import { asTest } from './frame-test.ts';
import { t } from './i18n.ts';
import { goTo, place } from './place.ts';
import type { Session } from './session.ts';
import { useLive, useStore } from './store.ts';
import type { Direction, LogEntry, Wire } from './wire.ts';

/** Every frame in and out, newest last, with a filter. */
export function FrameLog({ wire, session }: { wire: Wire; session: Session }) {
  const live = useLive(wire, () => wire.snapshot());
  const [paused, setPaused] = useState<readonly LogEntry[]>();
  const [type, setType] = useState('');
  const [direction, setDirection] = useState<Direction | ''>('');
  const [chosen, setChosen] = useState<number>();
  const { filter = '' } = useStore(place);
  const all = paused ?? live;
  const types = useMemo(() => [...new Set(all.map((entry) => entry.type))].sort(), [all]);
  const entries = useMemo(() => {
    const words = filter.toLowerCase();
    return all.filter(
      (entry) =>
        (!type || entry.type === type) &&
        (!direction || entry.direction === direction) &&
        (!words || entry.text.toLowerCase().includes(words)),
    );
  }, [all, type, direction, filter]);
  const selected = all.find(({ n }) => n === chosen);

  return (
    <>
      <div class="log-tools" role="toolbar" aria-label={t('logTools')}>
        <input
          type="search"
          value={filter}
          placeholder={t('filter')}
          aria-label={t('filter')}
          onInput={(event) => goTo({ filter: event.currentTarget.value })}
        />
        <select
          aria-label={t('type')}
          value={type}
          onChange={(event) => setType(event.currentTarget.value)}
        >
          <option value="">{t('allTypes')}</option>
          {types.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <select
          aria-label={t('direction')}
          value={direction}
          onChange={(event) => setDirection(event.currentTarget.value as Direction | '')}
        >
          <option value="">{t('bothWays')}</option>
          <option value="out">↑ {t('out')}</option>
          <option value="in">↓ {t('in')}</option>
          <option value="note">• {t('connection')}</option>
        </select>
        <IconButton
          icon={paused ? 'play' : 'pause'}
          label={paused ? t('resume') : t('pause')}
          isPressed={paused !== undefined}
          onClick={() => setPaused(paused ? undefined : live)}
        />
        <IconButton
          icon="trash"
          label={t('clear')}
          onClick={() => {
            wire.clear();
            setPaused(undefined);
            setChosen(undefined);
          }}
        />
        <IconButton
          icon="save"
          label={t('saveLog')}
          onClick={() => download('ws-chat-log.json', JSON.stringify(all, null, 2))}
        />
        <IconButton
          icon="flask"
          label={t('saveTest')}
          onClick={() => download('ws-chat.test.ts', asTest(all))}
        />
      </div>
      <Rows
        entries={entries}
        chosen={chosen}
        onChoose={setChosen}
        isPaused={paused !== undefined}
      />
      {selected && (
        <FrameDetail
          entry={selected}
          other={all.find(({ n }) => n === selected.other)}
          session={session}
          onShow={setChosen}
          onClose={() => setChosen(undefined)}
        />
      )}
    </>
  );
}

interface RowsProps {
  entries: readonly LogEntry[];
  chosen: number | undefined;
  onChoose: (n: number | undefined) => void;
  isPaused: boolean;
}

/** Rows are of one height, so only those in view are in the document. */
function Rows({ entries, chosen, onChoose, isPaused }: RowsProps) {
  const scroller = useRef<HTMLElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const isAtEnd = useRef(true);
  const look = () => {
    const { scrollTop, clientHeight, scrollHeight } = scroller.current ?? document.body;
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < ROW;
    setView({ top: scrollTop, height: clientHeight });
  };
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    return () => sizes.disconnect();
  }, []);
  useEffect(() => {
    const element = scroller.current;
    if (element && isAtEnd.current && !isPaused) element.scrollTop = element.scrollHeight;
  }, [entries, isPaused]);

  const first = Math.max(0, Math.floor(view.top / ROW) - 5);
  const shown = entries.slice(first, first + Math.ceil(view.height / ROW) + 10);

  function onKeyDown(event: KeyboardEvent): void {
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (event.key === 'Escape') onChoose(undefined);
    if (!by) return;
    event.preventDefault();
    const index = entries.findIndex(({ n }) => n === chosen);
    const next = Math.max(
      0,
      Math.min(entries.length - 1, (index < 0 ? entries.length : index) + by),
    );
    onChoose(entries[next]?.n);
    const element = scroller.current;
    if (!element) return;
    if (next * ROW < element.scrollTop) element.scrollTop = next * ROW;
    const over = (next + 1) * ROW - element.scrollTop - element.clientHeight;
    if (over > 0) element.scrollTop += over;
  }

  return (
    <section
      ref={scroller}
      class="log"
      tabIndex={0}
      aria-label={t('panel.frames')}
      onScroll={look}
      onKeyDown={onKeyDown}
    >
      {entries.length === 0 && <p class="nothing">{t('noFrames')}</p>}
      <ol style={{ height: `${entries.length * ROW}px` }}>
        {shown.map((entry, index) => (
          <FrameRow
            key={entry.n}
            entry={entry}
            top={(first + index) * ROW}
            isChosen={entry.n === chosen}
            onChoose={() => onChoose(entry.n === chosen ? undefined : entry.n)}
          />
        ))}
      </ol>
    </section>
  );
}
