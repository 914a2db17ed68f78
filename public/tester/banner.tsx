import { useEffect, useState } from 'preact/hooks';
import type { Room } from '../../client/index.ts';
import { explain } from './explain.ts';
import { t } from './i18n.ts';
import { Icon } from './icon.tsx';
import { keepSession } from './kept.ts';
import { me, type Session } from './session.ts';
import { useLive } from './store.ts';

/** Says that the connection is gone, and when it is tried again; what is there stays readable. */
export function Banner({ session, room }: { session: Session; room: Room }) {
  const { chat } = session;
  const status = useLive(chat, () => chat.status);
  const roomStatus = useLive(room, () => room.status);
  if (status.state === 'reconnecting') {
    return (
      <div class="banner warning">
        <Icon name="clock" />
        <p role="status">{t('connectionLost')}</p>
        <Countdown until={status.nextTry} />
        <button type="button" onClick={() => chat.connect()}>
          {t('tryNow')}
        </button>
      </div>
    );
  }
  if (status.state === 'closed') {
    return (
      <div class="banner danger">
        <Icon name="alert" />
        <p role="alert">{t('connectionClosed', { reason: status.reason })}</p>
        <button type="button" onClick={() => chat.connect()}>
          {t('connectAgain')}
        </button>
        <button
          type="button"
          onClick={() => {
            keepSession(undefined);
            me.set(undefined);
          }}
        >
          {t('signInAgain')}
        </button>
      </div>
    );
  }
  if (roomStatus.state === 'failed') {
    return (
      <div class="banner danger">
        <Icon name="lock" />
        <p role="alert">{explain(roomStatus.error)}</p>
        <button type="button" onClick={() => session.leave(room)}>
          {t('leaveRoom')}
        </button>
      </div>
    );
  }
  return null;
}

function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((until - now) / 1000);
  return (
    <span class="countdown">{seconds > 0 ? t('tryingIn', { n: seconds }) : t('connecting')}</span>
  );
}
