import { memo } from 'preact/compat';
import { useState } from 'preact/hooks';
import type { ChatMessage, Room } from '../../client/index.ts';
import { Avatar } from './avatar.tsx';
import { editing } from './editing.ts';
import { explain } from './explain.ts';
import { hour, moment, t } from './i18n.ts';
import { Icon } from './icon.tsx';
import { MessageActions, toggle } from './message-actions.tsx';
import { MessageEditor } from './message-editor.tsx';
import { hueOf, isSame } from './names.ts';
import type { Session } from './session.ts';
import { useStore } from './store.ts';
import { Text } from './text.tsx';

export interface MessageProps {
  message: ChatMessage;
  /** The first of a group: with the person and the time. */
  isHead: boolean;
  session: Session;
  room: Room;
  onReply: (message: ChatMessage) => void;
  onLead: (id: number) => void;
}

export const Message = memo(function Message(props: MessageProps) {
  const { message, isHead, session, room, onReply, onLead } = props;
  const { username, content, createdAt, state, editedAt, deletedAt, replyTo } = message;
  const [isActive, setActive] = useState(false);
  const isEdited = useStore(editing) === message.key;
  const isOwn = isSame(username, session.username);
  const isDeleted = deletedAt !== undefined;
  const date = new Date(createdAt);
  const classes = ['message', isHead && 'head', isOwn && 'own', state, isDeleted && 'deleted'];
  return (
    <li
      class={classes.filter(Boolean).join(' ')}
      data-key={message.key}
      tabIndex={-1}
      onPointerEnter={() => setActive(true)}
      onPointerLeave={() => setActive(false)}
      onFocusCapture={() => setActive(true)}
      onBlurCapture={({ currentTarget, relatedTarget }) => {
        if (!(relatedTarget instanceof Node) || !currentTarget.contains(relatedTarget))
          setActive(false);
      }}
      onKeyDown={(event) => {
        if (event.target === event.currentTarget) onKey(event, props, isOwn);
      }}
    >
      {isHead ? (
        <Avatar name={username} />
      ) : (
        <time class="side-time" dateTime={createdAt} title={moment(date)}>
          {hour(date)}
        </time>
      )}
      <div class="body">
        {replyTo && <Quote room={room} id={replyTo} onLead={onLead} />}
        {isHead && (
          <p class="byline">
            <strong class={`clip person hue-${hueOf(username)}`} dir="auto">
              {username}
            </strong>
            <time dateTime={createdAt} title={moment(date)}>
              {hour(date)}
            </time>
          </p>
        )}
        {isEdited ? (
          <MessageEditor message={message} room={room} />
        ) : isDeleted ? (
          <p class="text gone">{t('deleted')}</p>
        ) : (
          <div class="text" dir="auto">
            <Text text={content} />
            {editedAt && (
              <span class="edited" title={moment(new Date(editedAt))}>
                {t('edited')}
              </span>
            )}
            {!content && message.data !== undefined && (
              <code class="data">{JSON.stringify(message.data)}</code>
            )}
          </div>
        )}
        <Reactions {...props} />
        <Fate {...props} />
      </div>
      {isActive && !isDeleted && !isEdited && message.id && (
        <MessageActions
          message={message}
          isOwn={isOwn || session.isAdmin}
          room={room}
          onReply={onReply}
          session={session}
        />
      )}
    </li>
  );
});

function onKey(
  event: KeyboardEvent,
  { message, room, onReply, session }: MessageProps,
  isOwn: boolean,
): void {
  if (message.deletedAt || !message.id) return;
  const keys: Record<string, (() => void) | false> = {
    r: () => onReply(message),
    e: isOwn && (() => editing.start(message.key)),
    '+': () => toggle(room, message, '👍', session.username),
    Delete: isOwn && (() => room.delete(message)),
  };
  const run = keys[event.key];
  if (!run || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  run();
}

function Quote({ room, id, onLead }: { room: Room; id: number; onLead: (id: number) => void }) {
  const original = room.messages.find((message) => message.id === id);
  return (
    <button type="button" class="quote" onClick={() => onLead(id)} title={t('goToMessage')}>
      <Icon name="reply" />
      {original ? (
        <>
          <strong dir="auto">{original.username}</strong>
          <span class="clip" dir="auto">
            {original.deletedAt ? t('deleted') : original.content}
          </span>
        </>
      ) : (
        <span class="clip">{t('earlierMessage')}</span>
      )}
    </button>
  );
}

function Reactions({ message, room, session }: MessageProps) {
  const { reactions = [] } = message;
  if (!reactions.length) return null;
  return (
    <p class="reactions">
      {reactions.map(({ emoji, count, usernames }) => {
        const isMine = usernames.some((name) => isSame(name, session.username));
        return (
          <button
            key={emoji}
            type="button"
            aria-pressed={isMine}
            title={usernames.join(', ')}
            aria-label={t('reactionBy', { emoji, n: count })}
            onClick={() => toggle(room, message, emoji, session.username)}
          >
            <span>{emoji}</span> {count}
          </button>
        );
      })}
    </p>
  );
}

/** What is on its way, or was refused. */
function Fate({ message, room }: MessageProps) {
  const { state, error, retry, discard, content } = message;
  if (state === 'sending') {
    return (
      <span class="fate sending">
        <Icon name="clock" /> {t('sending')}
      </span>
    );
  }
  if (state !== 'failed') return null;
  return (
    <p class="fate failed" role="alert">
      <Icon name="alert" />
      <span>{error ? explain(error) : t('notSent')}</span>
      <button type="button" onClick={retry}>
        {t('tryAgain')}
      </button>
      {!message.id && (
        <button
          type="button"
          onClick={() => {
            editing.giveBack(room, content);
            discard?.();
          }}
        >
          {t('change')}
        </button>
      )}
      <button type="button" onClick={discard}>
        {t('discard')}
      </button>
    </p>
  );
}
