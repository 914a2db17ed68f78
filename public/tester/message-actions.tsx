import type { ChatMessage, Room } from '../../client/index.ts';
import { IconButton } from './button.tsx';
import { editing } from './editing.ts';
import { t } from './i18n.ts';
import { isSame } from './names.ts';
import type { Session } from './session.ts';

const EMOJI = ['👍', '❤️', '😂', '🎉'];

interface MessageActionsProps {
  message: ChatMessage;
  /** Whether the user may change it. */
  isOwn: boolean;
  room: Room;
  session: Session;
  onReply: (message: ChatMessage) => void;
}

export function MessageActions({ message, isOwn, room, session, onReply }: MessageActionsProps) {
  return (
    <fieldset class="actions" aria-label={t('actions')}>
      {EMOJI.map((emoji) => (
        <button
          key={emoji}
          type="button"
          class="icon-button"
          aria-label={t('reactWith', { emoji })}
          title={t('reactWith', { emoji })}
          onClick={() => toggle(room, message, emoji, session.username)}
        >
          {emoji}
        </button>
      ))}
      <IconButton icon="reply" label={t('reply')} onClick={() => onReply(message)} />
      {isOwn && (
        <>
          <IconButton icon="edit" label={t('edit')} onClick={() => editing.start(message.key)} />
          <IconButton icon="trash" label={t('delete')} onClick={() => void room.delete(message)} />
        </>
      )}
    </fieldset>
  );
}

/** Reacts, or takes the reaction back. */
export function toggle(room: Room, message: ChatMessage, emoji: string, username: string): void {
  const own = message.reactions?.find((reaction) => reaction.emoji === emoji);
  const remove = own?.usernames.some((name) => isSame(name, username)) ?? false;
  room.react(message, emoji, { remove });
}
