import { useEffect } from 'preact/hooks';
import { Avatar } from './avatar.tsx';
import { IconButton } from './button.tsx';
import { t } from './i18n.ts';
import { Icon } from './icon.tsx';
import { useKey } from './keyboard.ts';
import type { Session } from './session.ts';
import { useLive, useStore } from './store.ts';
import { Tools } from './tools.tsx';
import { waitingCount } from './waiting.ts';
import type { Sheet } from './workspace.tsx';

interface HeaderProps {
  session: Session;
  onSheet: (sheet: Sheet) => void;
  onMenu: () => void;
}

/** `# general · ana · ● live · 12 ms` */
export function Header({ session, onSheet, onMenu }: HeaderProps) {
  const { chat } = session;
  const room = useStore(session.room);
  const name = useLive(room, () => room.to ?? room.name);
  const people = useLive(room, () => room.userCount);
  const notices = useLive(session.activity, () => waitingCount(chat));
  useEffect(() => {
    // What is only counted could not be taken off the count when it is read in its room.
    const { items, unread } = chat.notifications;
    if (unread > items.length) chat.notifications.load().catch(() => {});
  }, [notices]);
  useKey('/', () => onSheet('search'));
  useKey('n', () => onSheet('notifications'));
  const label = notices ? t('notificationsUnread', { n: notices }) : t('notifications');
  return (
    <header class="header">
      <IconButton icon="menu" label={t('rooms')} onClick={onMenu} class="menu-button" />
      <h1 dir="auto" title={name}>
        {room.to ? <Avatar name={room.to} isSmall /> : <span class="hash">#</span>}
        <span class="clip">{name}</span>
      </h1>
      <Who session={session} />
      <div class="header-tools">
        {!room.to && (
          <button
            type="button"
            class="icon-button with-count"
            aria-label={t('peopleHere', { n: people })}
            title={t('peopleHere', { n: people })}
            onClick={() => onSheet('room')}
          >
            <Icon name="people" />
            <span>{people}</span>
          </button>
        )}
        <IconButton icon="search" label={t('search')} onClick={() => onSheet('search')} />
        <IconButton icon="bell" label={label} onClick={() => onSheet('notifications')}>
          {notices > 0 && <span class="badge dot">{notices > 99 ? '99+' : notices}</span>}
        </IconButton>
        <Tools />
      </div>
    </header>
  );
}

/** The user, and how it stands with the connection. */
export function Who({ session }: { session: Session }) {
  const { chat } = session;
  const name = useLive(chat, () => chat.username);
  const status = useLive(chat, () => chat.status);
  return (
    <p class="who">
      <span class="clip own-name" dir="auto">
        {name}
      </span>
      <span class={`state ${status.state}`} role="status" data-state={status.state}>
        <i aria-hidden="true" />
        {t(`state.${status.state}`)}
      </span>
      {status.state === 'live' && status.roundTrip !== undefined && (
        <span class="round-trip" title={t('roundTrip')}>
          {t('ms', { n: Math.max(0, Math.round(status.roundTrip)) })}
        </span>
      )}
    </p>
  );
}
