import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { ChatClient, ChatError } from '../../client/index.ts';
import { enter } from './enter.ts';
import { explain } from './explain.ts';
import { t } from './i18n.ts';
import { Icon } from './icon.tsx';
import { keepSession, lastVisit } from './kept.ts';
import { isRoom, isUsername } from './names.ts';
import { place } from './place.ts';
import { me } from './session.ts';
import { Tools } from './tools.tsx';

type Field = 'username' | 'room' | 'password' | 'token' | 'form';
interface Problem {
  field: Field;
  text: string;
}

/** The first thing one sees: a name, a room, and in. */
export function Connect() {
  const last = lastVisit();
  const [problem, setProblem] = useState<Problem>();
  const [isBusy, setBusy] = useState(false);
  const [withAccount, setWithAccount] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => form.current?.querySelector('input')?.focus(), []);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const value = (name: Field) => `${data.get(name) ?? ''}`.trim();
    const isNew = (event.submitter as HTMLButtonElement | null)?.value === 'register';
    const token = value('token');
    const room = value('room').toLowerCase() || 'general';
    const username = value('username');
    const found = check({
      username,
      room,
      password: `${data.get('password') ?? ''}`,
      isNew,
      token,
    });
    setProblem(found);
    if (found) return show(found.field);
    setBusy(true);
    try {
      const password = `${data.get('password') ?? ''}`;
      const signed = password ? await signIn(username, password, isNew) : token || undefined;
      const kept = { username: token ? '' : username, room, ...(signed && { token: signed }) };
      const session = await enter(kept);
      keepSession({ ...kept, username: session.username || username });
      me.set(session);
    } catch (error) {
      const known = error instanceof ChatError ? error : new ChatError('internal', `${error}`);
      const field = fieldOf(known, withAccount);
      if (known.code === 'unauthorized') setWithAccount(true);
      setProblem({
        field,
        text: field === 'password' && !withAccount ? t('nameIsTaken') : explain(known),
      });
      setBusy(false);
      requestAnimationFrame(() => show(field));
    }
  }

  function show(field: Field): void {
    form.current?.querySelector<HTMLInputElement>(`[name="${field}"]`)?.focus();
  }

  const of = (field: Field) => (problem?.field === field ? problem.text : undefined);
  return (
    <div class="welcome">
      <header class="welcome-top">
        <Tools />
      </header>
      <main>
        <img src="/icon.svg" alt="" width="48" height="48" />
        <h1>{t('title')}</h1>
        <p class="lead">{t('lead')}</p>
        <form ref={form} class="card" onSubmit={submit} noValidate autocomplete="off">
          <Input
            name="username"
            label={t('name')}
            value={place.value.username ?? last.username ?? ''}
            placeholder="ana"
            problem={of('username')}
            maxLength={64}
          />
          <Input
            name="room"
            label={t('room')}
            value={place.value.room ?? last.room ?? 'general'}
            placeholder="general"
            problem={of('room')}
            maxLength={64}
          />
          {withAccount && (
            <>
              <Input
                name="password"
                label={t('password')}
                type="password"
                hint={t('passwordHint')}
                problem={of('password')}
              />
              <details>
                <summary>{t('haveToken')}</summary>
                <Input
                  name="token"
                  label={t('token')}
                  hint={t('tokenHint')}
                  problem={of('token')}
                />
              </details>
            </>
          )}
          {of('form') && (
            <p class="problem" role="alert">
              <Icon name="alert" /> {of('form')}
            </p>
          )}
          <button type="submit" class="primary" disabled={isBusy}>
            {isBusy ? t('connecting') : t('connect')}
          </button>
          {withAccount ? (
            <button type="submit" class="quiet" value="register" disabled={isBusy}>
              {t('register')}
            </button>
          ) : (
            <button type="button" class="quiet" onClick={() => setWithAccount(true)}>
              {t('haveAccount')}
            </button>
          )}
        </form>
        <ul class="promises">
          <li>{t('promiseOnce')}</li>
          <li>{t('promiseWire')}</li>
          <li>{t('promiseCut')}</li>
        </ul>
      </main>
    </div>
  );
}

interface InputProps {
  name: Field;
  label: string;
  value?: string;
  placeholder?: string;
  type?: 'text' | 'password';
  hint?: string;
  problem: string | undefined;
  maxLength?: number;
}

function Input({ name, label, value = '', type = 'text', hint, problem, ...rest }: InputProps) {
  const id = useId();
  const shared = {
    id,
    name,
    defaultValue: value,
    autocapitalize: 'off',
    spellcheck: false,
    'aria-invalid': problem !== undefined,
    'aria-describedby': `${id}-note`,
    ...rest,
  } as const;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {type === 'password' ? (
        <input type="password" {...shared} />
      ) : (
        <input type="text" dir="auto" {...shared} />
      )}
      <p
        id={`${id}-note`}
        class={problem ? 'problem' : 'hint'}
        role={problem ? 'alert' : undefined}
      >
        {problem ?? hint}
      </p>
    </div>
  );
}

interface Wanted {
  username: string;
  room: string;
  password: string;
  isNew: boolean;
  token: string;
}

function check({ username, room, password, isNew, token }: Wanted): Problem | undefined {
  if (!token && !username) return { field: 'username', text: t('nameMissing') };
  if (!token && !isUsername(username)) return { field: 'username', text: t('nameWrong') };
  if (!isRoom(room)) return { field: 'room', text: t('roomWrong') };
  if (isNew && [...password].length < 8) return { field: 'password', text: t('passwordShort') };
  return undefined;
}

async function signIn(username: string, password: string, isNew: boolean): Promise<string> {
  const desk = new ChatClient('/', { outbox: false });
  // Only its requests are wanted.
  desk.close();
  const api = await desk.api;
  if (isNew) await api.register(username, password);
  return (await api.signIn(username, password)).token;
}

function fieldOf({ code, message }: ChatError, withAccount: boolean): Field {
  if (code === 'unauthorized') return withAccount && /token/i.test(message) ? 'token' : 'password';
  if (code === 'name_taken' || code === 'conflict') return 'username';
  if (code === 'not_found' || code === 'banned') return 'room';
  return 'form';
}
