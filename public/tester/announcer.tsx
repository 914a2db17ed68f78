import { useEffect, useState } from 'preact/hooks';
import type { Room } from '../../client/index.ts';
import { t } from './i18n.ts';

/** How long what comes is gathered before it is read out, in milliseconds. */
const GATHER_MS = 600;

/** Reads new messages of others out, and nothing else. */
export function Announcer({ room, username }: { room: Room; username: string }) {
  const [text, setText] = useState('');
  useEffect(() => {
    let gathered: string[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = room.on('message', (message) => {
      if (message.username === username) return;
      gathered.push(`${message.username}: ${message.content}`);
      timer ??= setTimeout(() => {
        timer = undefined;
        setText(
          gathered.length > 3 ? t('newMessages', { n: gathered.length }) : gathered.join('. '),
        );
        gathered = [];
      }, GATHER_MS);
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [room, username]);
  return (
    <p class="unseen" aria-live="polite">
      {text}
    </p>
  );
}
