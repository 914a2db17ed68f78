import { useEffect, useRef } from 'preact/hooks';
import type { ChatMessage, Room } from '../../client/index.ts';
import { editing } from './editing.ts';
import { t } from './i18n.ts';

/** A message as it is being edited, in its place. */
export function MessageEditor({ message, room }: { message: ChatMessage; room: Room }) {
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const area = box.current;
    area?.focus();
    area?.setSelectionRange(area.value.length, area.value.length);
    area?.scrollIntoView({ block: 'nearest' });
  }, []);

  function save(): void {
    const content = box.current?.value.trim();
    if (content && content !== message.content) room.edit(message, content);
    editing.stop();
  }

  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <textarea
        ref={box}
        dir="auto"
        rows={Math.min(8, message.content.split('\n').length + 1)}
        aria-label={t('editMessage')}
        defaultValue={message.content}
        onKeyDown={(event) => {
          if (event.key === 'Escape') editing.stop();
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          save();
        }}
      />
      <p>
        <button type="submit" class="primary small">
          {t('saveEdit')}
        </button>
        <button type="button" class="quiet small" onClick={() => editing.stop()}>
          {t('cancel')}
        </button>
      </p>
    </form>
  );
}
