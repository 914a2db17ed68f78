import { useState } from 'preact/hooks';
import type { ChatMessage, Room } from '../../client/index.ts';
import { Announcer } from './announcer.tsx';
import { Banner } from './banner.tsx';
import { Composer } from './composer.tsx';
import { list, t } from './i18n.ts';
import { MessageList } from './message-list.tsx';
import type { Session } from './session.ts';
import { useLive } from './store.ts';

interface ConversationProps {
  session: Session;
  room: Room;
  /** Of the two in the page, the one that shortcuts and announcements are for. */
  isMain?: boolean;
}

/** A room: what was said there, and the box to say something. */
export function Conversation({ session, room, isMain = false }: ConversationProps) {
  const [replyTo, setReplyTo] = useState<ChatMessage>();
  const typists = useLive(room, () => room.typists);
  return (
    <div class="conversation">
      <Banner session={session} room={room} />
      <MessageList session={session} room={room} onReply={setReplyTo} />
      <p class="typing" dir="auto">
        {typists.length > 0 && (
          <>
            <span class="dots" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            {typists.length > 3
              ? t('manyTyping')
              : t('typing', { n: typists.length, names: list(typists) })}
          </>
        )}
      </p>
      <Composer
        session={session}
        room={room}
        replyTo={replyTo}
        onReplied={() => setReplyTo(undefined)}
        isMain={isMain}
      />
      {isMain && <Announcer room={room} username={session.username} />}
    </div>
  );
}
