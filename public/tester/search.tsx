import { useEffect, useState } from 'preact/hooks';
import { ChatError, type ChatMessage } from '../../client/index.ts';
import { Avatar } from './avatar.tsx';
import { Dialog } from './dialog.tsx';
import { explain } from './explain.ts';
import { shortMoment, t } from './i18n.ts';
import { Icon } from './icon.tsx';
import type { Session } from './session.ts';
import { useStore } from './store.ts';

/** How long after the last key it is searched, in milliseconds. */
const WAIT_MS = 250;

/** Full text over the room that is seen. */
export function Search({ session, onClose }: { session: Session; onClose: () => void }) {
  const room = useStore(session.room);
  const [words, setWords] = useState('');
  const [found, setFound] = useState<ChatMessage[]>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    if (!words.trim()) return setFound(undefined);
    let isCurrent = true;
    const search = async () => {
      try {
        const messages = await room.search(words.trim());
        if (!isCurrent) return;
        setFound(messages);
        setProblem(undefined);
      } catch (error) {
        if (isCurrent && error instanceof ChatError) setProblem(explain(error));
      }
    };
    const timer = setTimeout(search, WAIT_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [words, room]);
  return (
    <Dialog title={t('searchIn', { room: room.to ?? `#${room.name}` })} onClose={onClose}>
      <label class="search-box">
        <Icon name="search" />
        <span class="unseen">{t('search')}</span>
        <input
          type="search"
          dir="auto"
          value={words}
          placeholder={t('searchHint')}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
      </label>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <p class="hint" role="status">
        {found && t('found', { n: found.length })}
      </p>
      <ul class="found">
        {found?.map(({ key, username, content, createdAt }) => (
          <li key={key}>
            <div class="result">
              <Avatar name={username} />
              <span class="found-body">
                <span class="byline">
                  <strong dir="auto">{username}</strong>
                  <time dateTime={createdAt}>{shortMoment(new Date(createdAt))}</time>
                </span>
                <span class="text" dir="auto">
                  {content}
                </span>
              </span>
            </div>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
