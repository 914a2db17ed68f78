import { Fragment } from 'preact';
import { memo } from 'preact/compat';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ChatMessage, Room } from '../../client/index.ts';
import { day, list, t } from './i18n.ts';
import { Message } from './message.tsx';
import type { PlaceHolder } from './scroll-place.ts';
import type { Session, Traffic } from './session.ts';

/** How far outside of the view messages are still drawn. */
const MARGIN = '1000px 0px';
/** Messages of the same person that are closer than this are one group, in milliseconds. */
const GROUP_MS = 5 * 60_000;

interface ChunkProps {
  number: number;
  holder: PlaceHolder;
  items: readonly ChatMessage[];
  before: ChatMessage | undefined;
  traffic: readonly Traffic[];
  newFrom: number | undefined;
  session: Session;
  room: Room;
  onReply: (message: ChatMessage) => void;
  onLead: (id: number) => void;
}

/** A piece of the conversation: drawn where it is near the view, else a space of its height. */
export const Chunk = memo(function Chunk(props: ChunkProps) {
  const { number, holder, items, newFrom } = props;
  const ref = useRef<HTMLOListElement>(null);
  const height = useRef(0);
  const [isNear, setNear] = useState(true);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (!entry) return;
        // A text that is being edited stays.
        if (!entry.isIntersecting && element.contains(document.activeElement)) return;
        if (!entry.isIntersecting && element.childElementCount)
          height.current = element.getBoundingClientRect().height;
        setNear(entry.isIntersecting);
      },
      { root: holder.scroller, rootMargin: MARGIN },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [holder]);
  useLayoutEffect(() => holder.keep(), [isNear]);
  if (!isNear) {
    return <ol ref={ref} data-chunk={number} style={{ height: `${height.current}px` }} />;
  }
  return (
    <ol ref={ref} data-chunk={number} style={{ height: '' }}>
      {items.map((message, index) => {
        const previous = index ? items[index - 1] : props.before;
        const isNewDay = !previous || dayOf(previous) !== dayOf(message);
        const isFirstNew =
          newFrom !== undefined && (message.seq ?? 0) > newFrom && (previous?.seq ?? 0) <= newFrom;
        const isOwn = message.username === props.session.username;
        return (
          <Fragment key={message.key}>
            {isNewDay && (
              <li class="day">
                <span>{day(new Date(message.createdAt))}</span>
              </li>
            )}
            {isFirstNew && !isOwn && (
              <li class="new-line">
                <span>{t('newLine')}</span>
              </li>
            )}
            <Message
              message={message}
              isHead={isNewDay || isFirstNew || !isGrouped(previous, message)}
              session={props.session}
              room={props.room}
              onReply={props.onReply}
              onLead={props.onLead}
            />
            {props.traffic
              .filter(({ after }) => after === message.seq)
              .map((one) => (
                <TrafficLine key={`t${one.after}`} traffic={one} />
              ))}
          </Fragment>
        );
      })}
    </ol>
  );
}, isSameChunk);

function TrafficLine({ traffic: { joined, left } }: { traffic: Traffic }) {
  const parts = [
    joined.length > 0 && t('joined', { names: some(joined), n: joined.length }),
    left.length > 0 && t('left', { names: some(left), n: left.length }),
  ].filter(Boolean);
  return (
    <li class="traffic" dir="auto">
      {parts.join(' · ')}
    </li>
  );
}

function some(names: readonly string[]): string {
  const shown =
    names.length > 4 ? [...names.slice(0, 3), t('others', { n: names.length - 3 })] : names;
  return list(shown);
}

function isGrouped(previous: ChatMessage | undefined, message: ChatMessage): boolean {
  if (!previous || message.replyTo) return false;
  const apart = Date.parse(message.createdAt) - Date.parse(previous.createdAt);
  return previous.username === message.username && apart < GROUP_MS;
}

function dayOf({ createdAt }: ChatMessage): string {
  return new Date(createdAt).toDateString();
}

function isSameChunk(a: ChunkProps, b: ChunkProps): boolean {
  return (
    isSameList(a.items, b.items) &&
    isSameList(a.traffic, b.traffic) &&
    a.before === b.before &&
    a.newFrom === b.newFrom &&
    a.holder === b.holder
  );
}

function isSameList<Item>(a: readonly Item[], b: readonly Item[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
