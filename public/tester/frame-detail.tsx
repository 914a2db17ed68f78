import { useState } from 'preact/hooks';
import { IconButton } from './button.tsx';
import { explainClose } from './explain.ts';
import { clock } from './frame-row.tsx';
import { number, t } from './i18n.ts';
import type { Session } from './session.ts';
import type { LogEntry } from './wire.ts';

interface FrameDetailProps {
  entry: LogEntry;
  /** Its answer, or what it answers. */
  other: LogEntry | undefined;
  session: Session;
  onShow: (n: number) => void;
  onClose: () => void;
}

/** A frame, pretty, with ways to send it from elsewhere. */
export function FrameDetail({ entry, other, session, onShow, onClose }: FrameDetailProps) {
  const { direction, type, at, size, text, roundTrip, error } = entry;
  const [copied, setCopied] = useState('');
  const frame = JSON.parse(text);

  async function copy(name: string, what: string): Promise<void> {
    await navigator.clipboard.writeText(what);
    setCopied(name);
  }

  const copies: Record<string, string> = {
    JSON: text,
    ...(direction === 'out' && {
      wscat: asWscat(text, session),
      curl: asCurl(frame, session),
      [t('clientCode')]: asClient(frame, session),
    }),
  };
  return (
    <section class="detail" aria-label={t('frame')}>
      <header>
        <strong>{type}</strong>
        <span class="faint">
          {clock(at)}
          {direction !== 'note' && ` · ${number(size)} B`}
          {roundTrip !== undefined && ` · ${t('ms', { n: roundTrip })}`}
        </span>
        <IconButton icon="close" label={t('close')} onClick={onClose} />
      </header>
      {error && direction === 'in' && (
        <p class="problem">
          {error}: {frame.content}
        </p>
      )}
      {direction === 'note' && frame.code && <p class="hint">{explainClose(frame.code)}</p>}
      <pre tabIndex={0}>{JSON.stringify(frame, null, 2)}</pre>
      {other && (
        <button
          type="button"
          class={other.error ? 'answer problem' : 'answer'}
          onClick={() => onShow(other.n)}
        >
          {t(direction === 'out' ? 'answeredBy' : 'answerTo')} <strong>{other.type}</strong>{' '}
          <span class="clip">{other.text}</span>
        </button>
      )}
      <p class="copies">
        {Object.entries(copies).map(([name, what]) => (
          <button key={name} type="button" class="quiet small" onClick={() => copy(name, what)}>
            {copied === name ? t('copied') : t('copyAs', { name })}
          </button>
        ))}
      </p>
    </section>
  );
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function socketUrl(): string {
  return `${location.origin.replace('http', 'ws')}/ws`;
}

function asWscat(text: string, { username, room }: Session): string {
  const join = JSON.stringify({ type: 'join', protocol: 1, username, room: room.value.name });
  return `wscat -c ${quoted(socketUrl())} -x ${quoted(join)} -x ${quoted(text)} -w 2`;
}

/** What says the same over REST, where that is possible. */
function asCurl(frame: Record<string, unknown>, { username }: Session): string {
  const { type, id: _, messageId, emoji, remove, ...rest } = frame;
  const { origin } = location;
  const send = (method: string, path: string, body?: object) =>
    `curl -X ${method} ${quoted(origin + path)}${
      body ? ` -H 'content-type: application/json' -d ${quoted(JSON.stringify(body))}` : ''
    }`;
  const as = `?username=${encodeURIComponent(username)}`;
  if (type === 'message') return send('POST', '/messages', { username, ...rest });
  if (type === 'edit')
    return send('PATCH', `/messages/${messageId}${as}`, { content: rest.content });
  if (type === 'delete') return send('DELETE', `/messages/${messageId}${as}`);
  if (type === 'react') {
    const path = `/messages/${messageId}/reactions/${encodeURIComponent(`${emoji}`)}${as}`;
    return send(remove ? 'DELETE' : 'PUT', path);
  }
  if (type === 'event')
    return send('POST', `/rooms/${rest.room}/events`, { name: rest.name, data: rest.data });
  const query = new URLSearchParams({ room: `${rest.room ?? 'general'}` });
  if (type === 'history' && rest.before) query.set('before', `${rest.before}`);
  return `curl ${quoted(`${origin}/${type === 'join' ? 'events' : 'messages'}?${query}`)}`;
}

function asClient(frame: Record<string, unknown>, { username, room }: Session): string {
  const name = JSON.stringify(frame.room ?? room.value.name);
  const calls: Record<string, string> = {
    message: `await room.send(${JSON.stringify(frame.content)});`,
    edit: `await room.edit(message, ${JSON.stringify(frame.content)});`,
    delete: 'await room.delete(message);',
    react: `await room.react(message, ${JSON.stringify(frame.emoji)});`,
    read: `room.read(${frame.seq});`,
    typing: 'room.typing();',
    event: `await room.event(${JSON.stringify(frame.name)}, ${JSON.stringify(frame.data)});`,
    history: `await room.history(${frame.limit ?? 50});`,
    leave: 'room.leave();',
  };
  return [
    `import { ChatClient } from '${location.origin}/client.js';`,
    '',
    `const chat = new ChatClient('${location.origin}', { username: ${JSON.stringify(username)} });`,
    `const room = chat.room(${name});`,
    calls[`${frame.type}`] ?? '',
  ].join('\n');
}
