import { useState } from 'preact/hooks';
import { Conversation } from './conversation.tsx';
import { enter } from './enter.ts';
import { explain } from './explain.ts';
import { Who } from './header.tsx';
import { t } from './i18n.ts';
import { isUsername } from './names.ts';
import { type Session, second } from './session.ts';
import { useLive, useStore } from './store.ts';

/** Another guest in the same room, on a connection of its own. */
export function SecondPerson({ first }: { first: Session }) {
  const session = useStore(second);
  return session ? <Beside session={session} first={first} /> : <Invite first={first} />;
}

function Invite({ first }: { first: Session }) {
  const [problem, setProblem] = useState<string>();
  const room = useStore(first.room);
  const suggested = first.username.toLowerCase() === 'ben' ? 'ana' : 'ben';

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const username = `${new FormData(event.currentTarget as HTMLFormElement).get('second')}`.trim();
    if (!isUsername(username)) return setProblem(t('nameWrong'));
    try {
      second.set(await enter({ username, room: room.to ? 'general' : room.name }));
    } catch (error) {
      setProblem(explain(error as Parameters<typeof explain>[0]));
    }
  }

  return (
    <section class="pad">
      <h2>{t('secondTitle')}</h2>
      <p class="hint">{t('secondHint')}</p>
      <form class="line-form" onSubmit={submit} noValidate>
        <input
          name="second"
          aria-label={t('name')}
          defaultValue={suggested}
          maxLength={64}
          aria-invalid={!!problem}
        />
        <button type="submit" class="primary">
          {t('invite')}
        </button>
      </form>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}

function Beside({ session, first }: { session: Session; first: Session }) {
  const room = useStore(session.room);
  const shown = useStore(first.room);
  const rooms = useLive(session.chat, () => session.chat.rooms);
  return (
    <div class="beside">
      <header class="header">
        <select
          aria-label={t('rooms')}
          value={room.key}
          onChange={({ currentTarget: { value } }) => {
            const known = rooms.find(({ key }) => key === value);
            session.open(known ?? session.chat.room(value));
          }}
        >
          {[...rooms.map(({ key }) => key), ...(shown.to ? [] : [shown.name])]
            .filter((key, index, all) => all.indexOf(key) === index)
            .map((key) => (
              <option key={key} value={key}>
                {key.startsWith('@') ? key : `#${key}`}
              </option>
            ))}
        </select>
        <Who session={session} />
        <button
          type="button"
          class="quiet small"
          onClick={() => {
            session.end();
            second.set(undefined);
          }}
        >
          {t('sendAway')}
        </button>
      </header>
      <Conversation key={room.key} session={session} room={room} />
    </div>
  );
}
