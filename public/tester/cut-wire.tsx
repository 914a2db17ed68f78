import { useState } from 'preact/hooks';
import { t } from './i18n.ts';
import { RulerView } from './ruler-view.tsx';
import { me, type Session, second } from './session.ts';
import { useLive, useStore } from './store.ts';
import type { Fault } from './wire.ts';

const KINDS = ['drop', 'hold', 'kill', 'delay'] as const;

/** Scissors for the connection, and the proof that nothing is lost by them. */
export function CutWire({ session }: { session: Session }) {
  const { wire } = session;
  const other = useStore(second);
  const room = useStore(session.room);
  const fault = useLive(wire, () => wire.fault);
  const state = useLive(session.chat, () => session.chat.status.state);
  const [ms, setMs] = useState(400);
  const sender = other ?? me.value;

  function set(next: Fault): void {
    wire.note('fault', next);
    wire.setFault(next);
    // Who mends the wire wants to see it at once.
    if (next.kind === 'none') session.chat.connect();
  }

  return (
    <>
      <section class="pad">
        <h2>{t('cutTitle')}</h2>
        <p class="hint">{t('cutHint')}</p>
        <fieldset class="faults" aria-label={t('cutTitle')}>
          {KINDS.map((kind) => (
            <button
              key={kind}
              type="button"
              aria-pressed={fault.kind === kind}
              onClick={() =>
                set(
                  fault.kind === kind
                    ? { kind: 'none' }
                    : kind === 'delay'
                      ? { kind, ms }
                      : { kind },
                )
              }
            >
              <strong>{t(`fault.${kind}`)}</strong>
              <span>{t(`faultHint.${kind}`)}</span>
            </button>
          ))}
        </fieldset>
        <label class="slider">
          <span>{t('delayBy')}</span>
          <input
            type="range"
            min={50}
            max={3000}
            step={50}
            value={ms}
            onInput={(event) => {
              const next = Number(event.currentTarget.value);
              setMs(next);
              if (fault.kind === 'delay') wire.setFault({ kind: 'delay', ms: next });
            }}
          />
          <output>{t('ms', { n: ms })}</output>
        </label>
        <p class="row">
          <button
            type="button"
            class="primary"
            disabled={fault.kind === 'none'}
            onClick={() => set({ kind: 'none' })}
          >
            {t('mend')}
          </button>
          <span class={`state ${fault.kind === 'none' ? state : 'closed'}`}>
            <i aria-hidden="true" />
            {fault.kind === 'none' ? t(`state.${state}`) : t(`faultHint.${fault.kind}`)}
          </span>
        </p>
      </section>
      <RulerView session={session} room={room} />
      <section class="pad">
        <h2>{t('meanwhile')}</h2>
        <p class="hint">
          {other ? t('meanwhileSecond', { name: other.username }) : t('meanwhileRest')}
        </p>
        <p class="row">
          {[1, 10, 100].map((count) => (
            <button
              key={count}
              type="button"
              onClick={() => sender && speak(session, other, room.name, count)}
            >
              {t('sayMessages', { n: count })}
            </button>
          ))}
        </p>
      </section>
    </>
  );
}

/** Messages that do not take the wire: of the second person, or over REST. */
async function speak(
  session: Session,
  other: Session | undefined,
  room: string,
  count: number,
): Promise<void> {
  if (other) {
    for (let n = 1; n <= count; n++) other.chat.room(room).send(t('testMessage', { n }));
    return;
  }
  for (let n = 1; n <= count; n++) {
    await fetch('/messages', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(session.token && { authorization: `Bearer ${session.token}` }),
      },
      body: JSON.stringify({ username: session.username, room, content: t('testMessage', { n }) }),
    });
  }
}
