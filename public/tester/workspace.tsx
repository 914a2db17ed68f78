import { useEffect, useState } from 'preact/hooks';
import { Conversation } from './conversation.tsx';
import { Header } from './header.tsx';
import { t } from './i18n.ts';
import { keepSession } from './kept.ts';
import { Notifications } from './notifications.tsx';
import { goTo, place } from './place.ts';
import { RoomSheet } from './room-sheet.tsx';
import { Search } from './search.tsx';
import type { Session } from './session.ts';
import { Sidebar } from './sidebar.tsx';
import { useLive, useStore } from './store.ts';
import { WirePanel } from './wire-panel.tsx';

export type Sheet = 'search' | 'notifications' | 'room' | 'new-room' | undefined;

/** The chat on one side, the wire on the other. */
export function Workspace({ session }: { session: Session }) {
  const { side } = useStore(place);
  const room = useStore(session.room);
  const [sheet, setSheet] = useState<Sheet>();
  const [isMenuOpen, setMenuOpen] = useState(false);
  const unread = useLive(session.activity, () =>
    session.chat.rooms.reduce((n, one) => n + one.unread, 0),
  );
  const name = useLive(room, () => (room.to ? room.to : `#${room.name}`));
  useEffect(() => {
    document.title = `${unread ? `(${unread}) ` : ''}${name} · ws-chat`;
  }, [unread, name]);
  useEffect(() => {
    const { username, token } = session;
    if (!room.to) keepSession({ username, room: room.name, ...(token && { token }) });
  }, [room]);
  const close = () => setSheet(undefined);
  return (
    <div class={`workspace shows-${side}`}>
      <nav class="sides" aria-label={t('views')}>
        {(['chat', 'wire'] as const).map((one) => (
          <button
            key={one}
            type="button"
            aria-current={side === one ? 'page' : undefined}
            onClick={() => goTo({ side: one })}
          >
            {t(one)}
          </button>
        ))}
      </nav>
      <Sidebar
        session={session}
        isOpen={isMenuOpen}
        onClose={() => setMenuOpen(false)}
        onSheet={setSheet}
      />
      <main class="chat" aria-label={t('chat')}>
        <Header session={session} onSheet={setSheet} onMenu={() => setMenuOpen(!isMenuOpen)} />
        <Conversation key={room.key} session={session} room={room} isMain />
      </main>
      <WirePanel session={session} />
      {sheet === 'search' && <Search session={session} onClose={close} />}
      {sheet === 'notifications' && <Notifications session={session} onClose={close} />}
      {(sheet === 'room' || sheet === 'new-room') && (
        <RoomSheet session={session} isNew={sheet === 'new-room'} onClose={close} />
      )}
    </div>
  );
}
