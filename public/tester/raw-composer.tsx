import { type OutputUnit, Validator } from '@cfworker/json-schema';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { IconButton } from './button.tsx';
import { FrameLog } from './frame-log.tsx';
import { t } from './i18n.ts';
import { goTo, linkTo, place } from './place.ts';
import { serverInfo } from './server-info.ts';
import type { Session } from './session.ts';
import { useStore } from './store.ts';
import { tapped } from './tap.ts';
import { Wire } from './wire.ts';

const KEPT_AS = 'ws-chat.frames';

/** Frames by hand, on a connection of their own: any path, any protocol, right or wrong. */
export function RawComposer({ session }: { session: Session }) {
  const { path = '/ws', query = '', frame, filter } = useStore(place);
  const info = useStore(serverInfo);
  const [protocol, setProtocol] = useState<0 | 1>(1);
  const [isOpen, setOpen] = useState(false);
  const [saved, setSaved] = useState<string[]>(() =>
    JSON.parse(localStorage.getItem(KEPT_AS) ?? '[]'),
  );
  const [copied, setCopied] = useState(false);
  const wire = useMemo(() => new Wire(), []);
  const socket = useRef<InstanceType<ReturnType<typeof tapped>>>(undefined);
  const text = frame ?? '{ "type": "ping" }';
  const problems = useMemo(() => check(text, info?.schemas), [text, info]);

  useEffect(() => () => socket.current?.close(), []);

  function connect(): void {
    socket.current?.close();
    const url = `${location.origin.replace('http', 'ws')}${path}${query && `?${query.replace(/^\?/, '')}`}`;
    const opened = new (tapped(wire))(url);
    opened.onopen = () => setOpen(true);
    opened.onclose = () => setOpen(false);
    opened.onmessage = () => {};
    socket.current = opened;
  }

  function choose(type: string): void {
    const { type: _, ...example } = info?.messageFormats[type] ?? {};
    const { username, room } = session;
    const known: Record<string, unknown> = {
      username: `${username}-raw`.slice(0, 32),
      room: room.value.name,
    };
    const filled = Object.entries(example).map(([name, value]) => [name, known[name] ?? value]);
    const more = protocol === 1 && type === 'join' ? { protocol: 1, room: known.room } : {};
    const id = protocol === 1 ? { id: crypto.randomUUID().slice(0, 8) } : {};
    goTo({
      frame: JSON.stringify({ type, ...Object.fromEntries(filled), ...more, ...id }, null, 2),
    });
  }

  function keep(frames: string[]): void {
    setSaved(frames);
    localStorage.setItem(KEPT_AS, JSON.stringify(frames));
  }

  function send(): void {
    socket.current?.send(compact(text));
  }

  return (
    <>
      <section class="pad raw">
        <form
          class="line-form"
          onSubmit={(event) => {
            event.preventDefault();
            connect();
          }}
        >
          <input
            aria-label={t('path')}
            value={path}
            onInput={(event) => goTo({ path: event.currentTarget.value })}
          />
          <input
            aria-label={t('query')}
            value={query}
            placeholder={t('query')}
            onInput={(event) => goTo({ query: event.currentTarget.value })}
          />
          <button type="submit" class={isOpen ? '' : 'primary'}>
            {isOpen ? t('connectAgain') : t('connect')}
          </button>
        </form>
        <div class="row">
          <fieldset class="switch" aria-label={t('protocol')}>
            {([0, 1] as const).map((one) => (
              <button
                key={one}
                type="button"
                aria-pressed={protocol === one}
                onClick={() => setProtocol(one)}
              >
                {t('protocol')} {one}
              </button>
            ))}
          </fieldset>
          <select
            aria-label={t('template')}
            value=""
            onChange={(event) => choose(event.currentTarget.value)}
          >
            <option value="">{t('template')}</option>
            {Object.keys(info?.messageFormats ?? {}).map((type) => (
              <option key={type}>{type}</option>
            ))}
          </select>
        </div>
        <textarea
          class="code"
          rows={7}
          spellcheck={false}
          aria-label={t('frame')}
          aria-invalid={problems.length > 0}
          aria-describedby="frame-problems"
          value={text}
          onInput={(event) => goTo({ frame: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send();
          }}
        />
        <div id="frame-problems" role="status">
          {problems.length ? (
            <ul class="problems">
              {problems.map((problem) => (
                <li key={problem}>{problem}</li>
              ))}
            </ul>
          ) : (
            <p class="valid">{t('schemaFits')}</p>
          )}
        </div>
        <p class="row">
          <button type="button" class="primary" disabled={!isOpen} onClick={send}>
            {t('sendFrame')}
          </button>
          <IconButton
            icon="save"
            label={t('keepFrame')}
            onClick={() => keep([...new Set([...saved, text])])}
          />
          <IconButton
            icon="link"
            label={copied ? t('copied') : t('copyLink')}
            onClick={async () => {
              await navigator.clipboard.writeText(linkTo({ ...place.value, frame: text, filter }));
              setCopied(true);
            }}
          />
        </p>
        {saved.length > 0 && (
          <ul class="saved">
            {saved.map((one) => (
              <li key={one}>
                <button type="button" class="clip" onClick={() => goTo({ frame: one })}>
                  {compact(one)}
                </button>
                <IconButton
                  icon="close"
                  label={t('forget')}
                  onClick={() => keep(saved.filter((other) => other !== one))}
                />
              </li>
            ))}
          </ul>
        )}
      </section>
      <FrameLog wire={wire} session={session} />
    </>
  );
}

/** What is wrong with a frame, as the server's schemas see it. */
function check(text: string, schemas: Record<string, object> | undefined): string[] {
  let frame: { type?: unknown };
  try {
    frame = JSON.parse(text);
  } catch {
    return [t('notJson')];
  }
  if (typeof frame?.type !== 'string') return [t('noType')];
  if (!schemas) return [];
  const schema = schemas[frame.type];
  if (!schema) return [t('unknownType', { types: Object.keys(schemas).join(', ') })];
  const { errors } = new Validator(schema, '2020-12', false).validate(frame);
  return [...new Set(errors.filter(isLeaf).map(say))];
}

function isLeaf({ keyword }: OutputUnit): boolean {
  return (
    !['properties', 'anyOf', 'allOf', 'oneOf', '$ref'].includes(keyword) && keyword !== 'false'
  );
}

function say({ instanceLocation, error }: OutputUnit): string {
  const field = instanceLocation.replace(/^#\/?/, '');
  return field ? `${field}: ${error}` : error;
}

function compact(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}
