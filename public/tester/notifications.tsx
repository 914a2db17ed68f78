import { useEffect } from 'preact/hooks';
import type { Notification } from '../../client/index.ts';
import { Avatar } from './avatar.tsx';
import { Dialog } from './dialog.tsx';
import { hour, t } from './i18n.ts';
import { Icon } from './icon.tsx';
import type { Session } from './session.ts';
import { useLive } from './store.ts';
import { waitingCount, waitingOf } from './waiting.ts';

/** Mentions, direct messages and notices that wait for the user. */
export function Notifications({ session, onClose }: { session: Session; onClose: () => void }) {
  const { chat } = session;
  useLive(session.activity, () => session.activity.value);
  const items = waitingOf(chat);
  const unread = waitingCount(chat);
  useEffect(() => {
    chat.notifications.load().catch(() => {});
  }, [chat]);

  /** Reads a notification, and leads to its message. */
  async function open({ id, kind, room: name, message }: Notification): Promise<void> {
    // Before the room is entered: reading there reads the notification too, and nobody tells.
    await chat.notifications.read(id).catch(() => {});
    if (!name || !message) return;
    const room = kind === 'direct' ? chat.direct(message.username) : chat.room(name);
    session.lead(room, message);
    onClose();
  }

  return (
    <Dialog title={t('notifications')} onClose={onClose}>
      {items.length === 0 ? (
        <p class="nothing">
          <Icon name="bell" />
          {t('noNotifications')}
        </p>
      ) : (
        <>
          <p class="hint found-count">
            <span>{t('waiting', { n: unread })}</span>
            <button
              type="button"
              class="quiet small"
              onClick={() => {
                for (const { id } of items) chat.notifications.read(id).catch(() => {});
              }}
            >
              {t('readAll')}
            </button>
          </p>
          <ul class="found">
            {items.map((item) => (
              <li key={item.id}>
                <button type="button" onClick={() => void open(item)}>
                  {item.message ? <Avatar name={item.message.username} /> : <Icon name="bell" />}
                  <span class="found-body">
                    <span class="byline">
                      <strong>{t(`kind.${item.kind}`)}</strong>
                      <span class="faint clip">
                        <bdi>{item.message?.username}</bdi>
                        {item.kind === 'mention' && ` · #${item.room}`}
                      </span>
                      <time dateTime={item.createdAt}>{hour(new Date(item.createdAt))}</time>
                    </span>
                    <span class="text" dir="auto">
                      {item.message?.content ?? noticeText(item.data)}
                    </span>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  );
}

/** What a notice says: most are a text, or have one. */
function noticeText(data: unknown): string {
  const text = (data as { text?: unknown } | null)?.text ?? data;
  return typeof text === 'string' ? text : JSON.stringify(data);
}
