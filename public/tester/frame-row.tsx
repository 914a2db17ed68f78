import { explainClose } from './explain.ts';
import { number, t } from './i18n.ts';
import type { LogEntry } from './wire.ts';

/** The height of a row, in pixels. */
export const ROW = 28;

const ARROWS = { in: '↓', out: '↑', note: '•' };

interface FrameRowProps {
  entry: LogEntry;
  top: number;
  isChosen: boolean;
  onChoose: () => void;
}

export function FrameRow({ entry, top, isChosen, onChoose }: FrameRowProps) {
  const { direction, type, at, size, roundTrip, error, fate } = entry;
  const classes = ['frame', direction, error && 'failed', fate, isChosen && 'chosen'];
  return (
    <li style={{ top: `${top}px` }}>
      <button
        type="button"
        tabIndex={-1}
        class={classes.filter(Boolean).join(' ')}
        aria-pressed={isChosen}
        onClick={onChoose}
      >
        <span class="arrow" title={t(direction === 'note' ? 'connection' : direction)}>
          {ARROWS[direction]}
        </span>
        <time title={clock(at)}>
          <span class="hours">{clock(at).slice(0, 3)}</span>
          {clock(at).slice(3)}
        </time>
        <strong>{type}</strong>
        <span class="gist clip">{gist(entry)}</span>
        {error && <span class="tag bad">{error}</span>}
        {fate && <span class="tag bad">{t(`fate.${fate}`)}</span>}
        {roundTrip !== undefined && direction === 'out' && (
          <span class="took">{t('ms', { n: roundTrip })}</span>
        )}
        <span class="size">{direction === 'note' ? '' : `${number(size)} B`}</span>
      </button>
    </li>
  );
}

export function clock(at: number): string {
  const date = new Date(at);
  const pad = (value: number, digits = 2) => `${value}`.padStart(digits, '0');
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${pad(hours)}:${pad(minutes)}:${pad(seconds)}.${pad(date.getMilliseconds(), 3)}`;
}

/** What a frame is about, in a few words. */
function gist({ direction, text }: LogEntry): string {
  const { type, id, ...rest } = JSON.parse(text);
  if (direction === 'note' && type === 'close') return `${rest.code} ${explainClose(rest.code)}`;
  if (direction === 'note') return rest.url ?? (rest.kind ? t(`fault.${rest.kind as 'drop'}`) : '');
  for (const [name, value] of Object.entries(rest)) {
    if (Array.isArray(value)) rest[name] = `[${value.length}]`;
  }
  const { room, username, content, ...others } = rest;
  const head = [username, content].filter(Boolean).join(': ');
  const tail = Object.entries(others).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return [room && `#${room}`, head, ...tail].filter(Boolean).join(' · ').slice(0, 200);
}
