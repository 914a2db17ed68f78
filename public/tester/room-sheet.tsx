import { useEffect, useState } from 'preact/hooks';
import { ChatError, type RoomInfo } from '../../client/index.ts';
import { Dialog } from './dialog.tsx';
import { explain } from './explain.ts';
import { t } from './i18n.ts';
import { isRoom, isSame } from './names.ts';
import { RoomPeople } from './room-people.tsx';
import type { Session } from './session.ts';
import { useLive, useStore } from './store.ts';

interface RoomSheetProps {
  session: Session;
  isNew: boolean;
  onClose: () => void;
}

/** Makes a room, or shows and changes one, for those who may. */
export function RoomSheet({ session, isNew, onClose }: RoomSheetProps) {
  return isNew ? (
    <NewRoom session={session} onClose={onClose} />
  ) : (
    <AboutRoom session={session} onClose={onClose} />
  );
}

function NewRoom({ session, onClose }: Omit<RoomSheetProps, 'isNew'>) {
  const [problem, setProblem] = useState<string>();

  async function make(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const name = `${data.get('name')}`.trim().toLowerCase();
    const topic = `${data.get('topic') ?? ''}`.trim();
    if (!isRoom(name)) return setProblem(t('roomWrong'));
    try {
      // A guest owns no room; one that is entered is there.
      if (session.isAccount) {
        const api = await session.chat.api;
        await api.createRoom(name, { private: data.has('private'), ...(topic && { topic }) });
      }
      session.open(session.chat.room(name));
      onClose();
    } catch (error) {
      const isTaken = error instanceof ChatError && error.code === 'conflict';
      setProblem(isTaken ? t('roomTaken') : explain(error as ChatError));
    }
  }

  return (
    <Dialog title={t('newRoom')} onClose={onClose}>
      <form class="room-form" onSubmit={make} noValidate>
        <label class="field">
          <span>{t('roomName')}</span>
          <input name="name" maxLength={64} autocapitalize="off" aria-invalid={!!problem} />
        </label>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        {session.isAccount ? (
          <>
            <label class="field">
              <span>{t('topic')}</span>
              <input name="topic" maxLength={256} dir="auto" />
            </label>
            <label class="check">
              <input type="checkbox" name="private" />
              <span>
                {t('private')}
                <small>{t('privateHint')}</small>
              </span>
            </label>
          </>
        ) : (
          <p class="hint">{t('guestRooms')}</p>
        )}
        <button type="submit" class="primary">
          {t('makeRoom')}
        </button>
      </form>
    </Dialog>
  );
}

function AboutRoom({ session, onClose }: Omit<RoomSheetProps, 'isNew'>) {
  const { chat } = session;
  const room = useStore(session.room);
  const username = useLive(chat, () => chat.username);
  const [info, setInfo] = useState<RoomInfo>();
  const [problem, setProblem] = useState<string>();
  const mayManage = session.isAdmin || (info?.owner != null && isSame(info.owner, username));

  /** Does something, and tells what went wrong. */
  async function act(run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
      setProblem(undefined);
    } catch (error) {
      setProblem(error instanceof ChatError ? explain(error) : `${error}`);
    }
  }

  useEffect(() => {
    void act(async () => setInfo(await (await chat.api).roomInfo(room.name)));
  }, [room]);

  return (
    <Dialog title={`#${room.name}`} onClose={onClose}>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {info && (
        <dl class="facts">
          {!mayManage && (
            <div>
              <dt>{t('topic')}</dt>
              <dd dir="auto">{info.topic ?? '–'}</dd>
            </div>
          )}
          <div>
            <dt>{t('owner')}</dt>
            <dd dir="auto">{info.owner ?? t('nobody')}</dd>
          </div>
          <div>
            <dt>{t('access')}</dt>
            <dd>{info.private ? t('private') : t('public')}</dd>
          </div>
        </dl>
      )}
      {mayManage && info && (
        <form
          class="line-form"
          onSubmit={(event) => {
            event.preventDefault();
            const topic = `${new FormData(event.currentTarget).get('topic')}`;
            void act(async () => setInfo(await (await chat.api).changeRoom(room.name, { topic })));
          }}
        >
          <input
            name="topic"
            aria-label={t('topic')}
            placeholder={t('topic')}
            defaultValue={info.topic ?? ''}
            maxLength={256}
            dir="auto"
          />
          <button type="submit">{t('saveEdit')}</button>
        </form>
      )}
      {info && (
        <RoomPeople session={session} room={room} info={info} mayManage={mayManage} act={act} />
      )}
      <p class="sheet-tools">
        <button
          type="button"
          class="quiet"
          onClick={() => {
            session.leave(room);
            onClose();
          }}
        >
          {t('leaveRoom')}
        </button>
        {mayManage && (
          <button
            type="button"
            class="quiet danger"
            onClick={() =>
              act(async () => {
                await (await chat.api).deleteRoom(room.name);
                session.leave(room);
                onClose();
              })
            }
          >
            {t('deleteRoom')}
          </button>
        )}
      </p>
    </Dialog>
  );
}
