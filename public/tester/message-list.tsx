import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ChatMessage, Room } from '../../client/index.ts';
import { t } from './i18n.ts';
import { Icon } from './icon.tsx';
import { Chunk } from './message-chunk.tsx';
import { isSame } from './names.ts';
import { PlaceHolder } from './scroll-place.ts';
import { seek } from './seek.ts';
import type { Session } from './session.ts';
import { useLive, useStore } from './store.ts';

/** Messages are drawn in pieces of so many `seq`s, so that new ones touch one piece. */
const CHUNK = 25;
/** How near to the beginning, in pixels, earlier messages are loaded. */
const NEAR_START = 1200;
/** Messages that are loaded at once. */
const PAGE = 50;
/** How many views above the end the way back is offered. */
const FAR = 1.5;

interface MessageListProps {
  session: Session;
  room: Room;
  onReply: (message: ChatMessage) => void;
}

/** What was said, without end upwards; only what is near the view is in the document. */
export function MessageList({ session, room, onReply }: MessageListProps) {
  const messages = useLive(room, () => room.messages);
  const hasMore = useLive(room, () => room.hasMore);
  const lastRead = useLive(room, () => room.lastRead);
  const isLive = useLive(room, () => room.status.state === 'live');
  const { traffic, newAfter, goal: goals } = session.view(room);
  const goal = useStore(goals);
  const allTraffic = useStore(traffic);
  const newFrom = useStore(newAfter);
  const [unseen, setUnseen] = useState(0);
  const [isFar, setFar] = useState(false);
  const [scroller, setScroller] = useState<HTMLElement | null>(null);
  const holder = useMemo(() => scroller && new PlaceHolder(scroller), [scroller]);
  const newest = messages.at(-1);
  const before = useRef(newest);
  const wasRead = useRef(false);

  useEffect(() => () => holder?.end(), [holder]);

  // The line is above what was unread when the room was opened, or what came while nobody looked.
  useEffect(() => {
    if (!wasRead.current && lastRead > 0) {
      wasRead.current = true;
      if (room.unread > 0) newAfter.set(lastRead);
    }
  }, [lastRead]);

  useLayoutEffect(() => {
    if (!holder) return;
    const isOwn = newest && before.current !== newest && isSame(newest.username, session.username);
    if (isOwn && newest.state === 'sending') holder.toEnd();
    else holder.keep();
    if (before.current !== newest && !holder.isAtEnd && !isOwn) {
      const last = before.current?.seq ?? 0;
      setUnseen((n) => n + messages.filter(({ seq = 0 }) => seq > last).length);
    }
    const seen = before.current?.seq;
    if (seen && newest?.seq && newest.seq > seen && !isOwn && newAfter.value === undefined) {
      if (!holder.isAtEnd || !document.hasFocus()) newAfter.set(seen);
    }
    before.current = newest;
    look();
  });

  useEffect(() => {
    if (!goal || !holder || !isLive) return;
    let isWanted = true;
    const reach = (message: ChatMessage | undefined) => {
      if (!isWanted) return;
      goals.set(undefined);
      if (message) holder.show(message.key, chunkOf(message));
    };
    // Where the history cannot be had, the view stays as it is.
    seek(room, goal, () => isWanted).then(reach, () => reach(undefined));
    return () => {
      isWanted = false;
    };
  }, [goal, holder, isLive]);

  useEffect(() => {
    addEventListener('focus', look);
    return () => removeEventListener('focus', look);
  });

  function look(): void {
    if (!holder) return;
    setFar(holder.fromEnd > holder.scroller.clientHeight * FAR);
    if (holder.isAtEnd && document.hasFocus()) {
      if (unseen) setUnseen(0);
      if (room.unread) room.read();
    } else if (holder.isAtEnd && unseen) setUnseen(0);
    if (hasMore && holder.fromStart < NEAR_START && room.status.state === 'live') {
      // Where it fails, the next scroll asks again.
      room.history(PAGE).catch(() => {});
    }
  }

  const chunks = useMemo(() => divide(messages), [messages]);
  return (
    <div class="messages-frame">
      <section
        class="messages"
        tabIndex={0}
        ref={setScroller}
        aria-label={`${t('messages')} · ${session.username}`}
        onScroll={() => {
          holder?.scrolled();
          look();
        }}
        onKeyDown={moveAmong}
      >
        <div class="messages-content">
          {hasMore ? (
            <p class="loading">{t('loadingEarlier')}</p>
          ) : (
            <p class="beginning">
              <Icon name={room.to ? 'people' : 'wire'} />
              <strong dir="auto">{room.to ?? `#${room.name}`}</strong>
              <span>{messages.length ? t('beginning') : t('emptyRoom')}</span>
            </p>
          )}
          {holder &&
            chunks.map(({ number, items }, index) => (
              <Chunk
                key={number}
                number={number}
                holder={holder}
                items={items}
                before={chunks[index - 1]?.items.at(-1)}
                traffic={
                  index === chunks.length - 1 || !items.length
                    ? allTraffic
                    : trafficIn(allTraffic, items, chunks[index + 1]?.items[0]?.seq)
                }
                newFrom={newFrom}
                session={session}
                room={room}
                onReply={onReply}
                onLead={(id) => goals.set({ id })}
              />
            ))}
        </div>
      </section>
      {goal && (
        <p class="seeking" role="status">
          {t('seeking')}
          <button type="button" class="quiet small" onClick={() => goals.set(undefined)}>
            {t('cancel')}
          </button>
        </p>
      )}
      {(unseen > 0 || isFar) && (
        <button
          type="button"
          class={unseen ? 'to-end' : 'to-end calm'}
          onClick={() => holder?.toEnd()}
        >
          <Icon name="down" /> {unseen ? t('newBelow', { n: unseen }) : t('toNewest')}
        </button>
      )}
    </div>
  );
}

interface Piece {
  number: number;
  items: ChatMessage[];
}

const PENDING = Number.MAX_SAFE_INTEGER;
const chunkOf = ({ seq }: ChatMessage) => (seq === undefined ? PENDING : Math.floor(seq / CHUNK));

function divide(messages: readonly ChatMessage[]): Piece[] {
  const pieces: Piece[] = [];
  for (const message of messages) {
    const number = chunkOf(message);
    const last = pieces.at(-1);
    if (last?.number === number) last.items.push(message);
    else pieces.push({ number, items: [message] });
  }
  return pieces;
}

function trafficIn<Item extends { after: number }>(
  all: readonly Item[],
  items: ChatMessage[],
  end = PENDING,
): readonly Item[] {
  const start = items[0]?.seq ?? 0;
  return all.filter(({ after }) => after >= start && after < end);
}

/** The arrows go from message to message. */
function moveAmong(event: KeyboardEvent): void {
  if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
  const { target, currentTarget } = event;
  if (!(target instanceof HTMLElement) || !(currentTarget instanceof HTMLElement)) return;
  if (target.closest('textarea, input')) return;
  const all = [...currentTarget.querySelectorAll<HTMLElement>('li.message')];
  const index = all.findIndex((one) => one.contains(target));
  const next = index < 0 ? all.at(-1) : all[index + (event.key === 'ArrowUp' ? -1 : 1)];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: 'nearest' });
}
