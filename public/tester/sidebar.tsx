import type { Room } from '../../client/index.ts';
import { Avatar } from './avatar.tsx';
import { IconButton } from './button.tsx';
import { t } from './i18n.ts';
import { Icon } from './icon.tsx';
import { keepSession } from './kept.ts';
import { useKey } from './keyboard.ts';
import { isSame } from './names.ts';
import { useRoomLists } from './room-lists.ts';
import { me, type Session, second } from './session.ts';
import { useLive, useStore } from './store.ts';
import type { Sheet } from './workspace.tsx';

interface SidebarProps {
  session: Session;
  isOpen: boolean;
  onClose: () => void;
  onSheet: (sheet: Sheet) => void;
}

/** Rooms, direct messages, and the people who are here. */
export function Sidebar({ session, isOpen, onClose, onSheet }: SidebarProps) {
  const { chat } = session;
  const opened = useLive(chat, () => chat.rooms);
  const current = useStore(session.room);
  const { all, own, more } = useRoomLists(session);
  const isOpened = (name: string) => opened.some((room) => room.name === name);
  const rooms = opened.filter((room) => !room.to);
  const directs = opened.filter((room) => room.to);
  const ownDirects = own.filter((room) => room.with && !isOpened(room.name));
  const unreadOf = (name: string) => own.find((room) => room.name === name)?.unread ?? 0;
  const ownNames = new Set(own.map(({ name }) => name));
  const others = [
    ...own.filter((room) => !room.with && !isOpened(room.name)),
    ...all.filter(({ name }) => !isOpened(name) && !ownNames.has(name)),
  ];
  const open = (room: Room) => {
    session.open(room);
    onClose();
  };
  const step = (by: number) => {
    const order = [...rooms, ...directs];
    const next = order[(order.indexOf(current) + by + order.length) % order.length];
    if (next) open(next);
  };
  useKey('alt+ArrowDown', () => step(1));
  useKey('alt+ArrowUp', () => step(-1));
  return (
    <>
      {isOpen && <div class="backdrop" onClick={onClose} aria-hidden="true" />}
      <nav class={`sidebar ${isOpen ? 'open' : ''}`} aria-label={t('rooms')}>
        <section>
          <header>
            <h2>{t('rooms')}</h2>
            <IconButton icon="add" label={t('newRoom')} onClick={() => onSheet('new-room')} />
          </header>
          <ul>
            {rooms.map((room) => (
              <Entry
                key={room.key}
                room={room}
                isCurrent={room === current}
                isPrivate={[...own, ...all].some((one) => one.name === room.name && one.private)}
                onOpen={open}
              />
            ))}
            {others.map(({ name, private: isPrivate }) => (
              <li key={name}>
                <button type="button" class="entry faint" onClick={() => open(chat.room(name))}>
                  {isPrivate ? <Icon name="lock" /> : <span class="hash">#</span>}
                  <span class="clip">{name}</span>
                  <Unread n={unreadOf(name)} />
                </button>
              </li>
            ))}
          </ul>
          {more && (
            <button type="button" class="entry faint" onClick={more}>
              {t('moreRooms')}
            </button>
          )}
        </section>
        <section>
          <header>
            <h2>{t('directs')}</h2>
          </header>
          <ul>
            {directs.map((room) => (
              <Entry key={room.key} room={room} isCurrent={room === current} onOpen={open} />
            ))}
            {ownDirects.map(({ name, with: other = '', unread }) => (
              <li key={name}>
                <button type="button" class="entry" onClick={() => open(chat.direct(other))}>
                  <Avatar name={other} isSmall />
                  <span class="clip">
                    <bdi>{other}</bdi>
                  </span>
                  <Unread n={unread} />
                </button>
              </li>
            ))}
          </ul>
          {directs.length + ownDirects.length === 0 && <p class="hint">{t('noDirects')}</p>}
        </section>
        <People session={session} room={current} onOpen={open} />
        <footer>
          <button type="button" class="entry" onClick={() => leave(session)}>
            <Icon name="leave" /> {t('disconnect')}
          </button>
        </footer>
      </nav>
    </>
  );
}

interface EntryProps {
  room: Room;
  isCurrent: boolean;
  isPrivate?: boolean;
  onOpen: (room: Room) => void;
}

function Entry({ room, isCurrent, isPrivate = false, onOpen }: EntryProps) {
  const unread = useLive(room, () => room.unread);
  return (
    <li>
      <button
        type="button"
        class={`entry ${unread && !isCurrent ? 'unread' : ''}`}
        aria-current={isCurrent ? 'page' : undefined}
        onClick={() => onOpen(room)}
      >
        {room.to ? (
          <Avatar name={room.to} isSmall />
        ) : isPrivate ? (
          <Icon name="lock" />
        ) : (
          <span class="hash">#</span>
        )}
        <span class="clip">
          <bdi>{room.to ?? room.name}</bdi>
        </span>
        <Unread n={isCurrent ? 0 : unread} />
      </button>
    </li>
  );
}

function Unread({ n }: { n: number }) {
  if (!n) return null;
  return (
    <span class="badge">
      {n > 99 ? '99+' : n}
      <span class="unseen"> {t('unread')}</span>
    </span>
  );
}

interface PeopleProps {
  session: Session;
  room: Room;
  onOpen: (room: Room) => void;
}

function People({ session, room, onOpen }: PeopleProps) {
  const { chat } = session;
  const users = useLive(room, () => room.users);
  const count = useLive(room, () => room.userCount);
  const isLive = useLive(room, () => room.status.state === 'live');
  const username = useLive(chat, () => chat.username);
  if (room.to) return null;
  return (
    <section class={isLive ? 'people' : 'people dim'}>
      <header>
        <h2>
          {t('hereNow')} <span class="count">{count}</span>
        </h2>
      </header>
      <ul id="people">
        {users.map((name) => (
          <li key={name}>
            {isSame(name, username) ? (
              <span class="entry">
                <Avatar name={name} isSmall />
                <span class="clip">
                  <bdi>{name}</bdi>
                </span>
                <span class="faint">{t('you')}</span>
              </span>
            ) : (
              <button
                type="button"
                class="entry"
                title={t('messageTo', { name })}
                onClick={() => onOpen(chat.direct(name))}
              >
                <Avatar name={name} isSmall />
                <span class="clip">
                  <bdi>{name}</bdi>
                </span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {count > users.length && <p class="hint">{t('andMore', { n: count - users.length })}</p>}
    </section>
  );
}

function leave(session: Session): void {
  session.end();
  second.value?.end();
  second.set(undefined);
  keepSession(undefined);
  me.set(undefined);
}
