import { useEffect, useState } from 'preact/hooks';
import { ChatError, type ChatMessage } from '../../client/index.ts';
import { Avatar } from './avatar.tsx';
import { Dialog } from './dialog.tsx';
import { explain } from './explain.ts';
import { shortMoment, t } from './i18n.ts';
import { Icon } from './icon.tsx';
import { hueOf } from './names.ts';
import type { Session } from './session.ts';
import { useStore } from './store.ts';

/** How long after the last key it is searched, in milliseconds. */
const WAIT_MS = 250;

/** What may stand between words. */
const BETWEEN = /[^\p{L}\p{M}\p{N}]+/u;

/** Full text over the room that is seen; what is found leads to its place in it. */
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
      <label class="search-box" onKeyDown={toResults}>
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
      <p class="hint found-count">
        <span role="status">{found && t('found', { n: found.length })}</span>
        {found && found.length > 0 && <span class="found-keys">{t('foundKeys')}</span>}
      </p>
      <ul class="found" onKeyDown={moveAmong}>
        {found?.map((message) => (
          <li key={message.key}>
            <button
              type="button"
              onClick={() => {
                onClose();
                if (message.id) session.lead(room, { id: message.id, seq: message.seq });
              }}
            >
              <Avatar name={message.username} />
              <span class="found-body">
                <span class="byline">
                  <strong class={`clip person hue-${hueOf(message.username)}`} dir="auto">
                    {message.username}
                  </strong>
                  <time dateTime={message.createdAt}>
                    {shortMoment(new Date(message.createdAt))}
                  </time>
                </span>
                <span class="text" dir="auto">
                  <Marked text={message.content} words={words} />
                </span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

/** A text, in which the words that were looked for are marked. */
function Marked({ text, words }: { text: string; words: string }) {
  const parts = words.split(BETWEEN).filter(Boolean);
  if (!parts.length) return <>{text}</>;
  const pieces: preact.ComponentChild[] = [];
  let end = 0;
  for (const { 0: word, index } of text.matchAll(new RegExp(parts.join('|'), 'giu'))) {
    pieces.push(text.slice(end, index), <mark>{word}</mark>);
    end = index + word.length;
  }
  return (
    <>
      {pieces}
      {text.slice(end)}
    </>
  );
}

/** From the box to the first result. */
function toResults(event: KeyboardEvent): void {
  if (event.key !== 'ArrowDown' && event.key !== 'Enter') return;
  const first = document.querySelector<HTMLElement>('.found button');
  if (!first) return;
  event.preventDefault();
  first.focus();
}

/** The arrows go from result to result, and from the first back to the box. */
function moveAmong(event: KeyboardEvent): void {
  if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
  const all = [...document.querySelectorAll<HTMLElement>('.search-box input, .found button')];
  const index = all.indexOf(document.activeElement as HTMLElement);
  const next = all[index + (event.key === 'ArrowUp' ? -1 : 1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
