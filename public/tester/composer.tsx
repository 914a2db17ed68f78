import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ChatMessage, Room } from '../../client/index.ts';
import { IconButton } from './button.tsx';
import { editing } from './editing.ts';
import { explain } from './explain.ts';
import { t } from './i18n.ts';
import { Icon } from './icon.tsx';
import { useKey } from './keyboard.ts';
import { isSame } from './names.ts';
import { serverInfo } from './server-info.ts';
import type { Session } from './session.ts';
import { useLive, useStore } from './store.ts';

interface ComposerProps {
  session: Session;
  room: Room;
  replyTo: ChatMessage | undefined;
  onReplied: () => void;
  isMain: boolean;
}

/** Characters before the limit from which on the rest is counted. */
const COUNT_FROM = 200;

/** The box: Enter sends, Shift+Enter begins a line. Text that cannot be sent stays. */
export function Composer({ session, room, replyTo, onReplied, isMain }: ComposerProps) {
  const view = session.view(room);
  const [text, setText] = useState(view.draft);
  const [problem, setProblem] = useState<string>();
  const box = useRef<HTMLTextAreaElement>(null);
  const info = useStore(serverInfo);
  const trouble = useStore(session.trouble);
  const name = useLive(room, () => (room.to ? room.to : `#${room.name}`));
  const isOffline = useLive(
    room,
    () => room.status.state === 'joining' && room.messages.length > 0,
  );
  const limit = info?.limits.maxContentLength ?? 4000;
  const left = limit - [...text].length;
  view.draft = text;

  useLayoutEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = 'auto';
    area.style.height = `${area.scrollHeight + 2}px`;
  }, [text]);
  useEffect(() => {
    if (isMain && matchMedia('(hover: hover)').matches) box.current?.focus({ preventScroll: true });
  }, [room]);
  useLayoutEffect(() => {
    if (replyTo) box.current?.focus();
  }, [replyTo]);
  useEffect(
    () =>
      editing.onReturn(room, (back) => {
        setText((now) => now || back);
        box.current?.focus();
      }),
    [room],
  );
  useKey('m', () => isMain && box.current?.focus());

  function send(): void {
    const content = text.trim();
    if (!content) return;
    if (left < 0) return void setProblem(t('tooLong', { n: -left, limit }));
    setProblem(undefined);
    session.trouble.set(undefined);
    room.send({ content, ...(replyTo?.id && { replyTo: replyTo.id }) });
    setText('');
    view.newAfter.set(undefined);
    onReplied();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === 'Escape') onReplied();
    if (event.key === 'ArrowUp' && text === '') {
      const last = room.messages.findLast(
        ({ username, deletedAt, id }) => isSame(username, session.username) && !deletedAt && id,
      );
      if (last) {
        event.preventDefault();
        editing.start(last.key);
      }
    }
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  }

  const shown = problem ?? (trouble && explain(trouble));
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {replyTo && (
        <p class="reply-chip">
          <Icon name="reply" />
          <span class="clip" dir="auto">
            {t('replyingTo', { name: replyTo.username })}: {replyTo.content}
          </span>
          <IconButton icon="close" label={t('cancel')} onClick={onReplied} />
        </p>
      )}
      <div class="box">
        <textarea
          ref={box}
          rows={1}
          dir="auto"
          value={text}
          placeholder={t('messageIn', { room: name })}
          aria-label={t('message')}
          aria-invalid={problem !== undefined}
          aria-describedby={isMain ? 'composer-note' : undefined}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setProblem(undefined);
            room.typing();
          }}
          onKeyDown={onKeyDown}
        />
        {left < COUNT_FROM && <span class={left < 0 ? 'left over' : 'left'}>{left}</span>}
        <button type="submit" class="send" aria-label={t('send')} title={t('send')}>
          <Icon name="send" />
        </button>
      </div>
      <p class={shown ? 'note problem' : 'note'} id={isMain ? 'composer-note' : undefined}>
        {shown ? <span role="alert">{shown}</span> : isOffline ? t('queued') : t('composerHint')}
      </p>
    </form>
  );
}
