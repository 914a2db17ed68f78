import { useEffect, useState } from 'preact/hooks';
import type { Room, RoomInfo } from '../../client/index.ts';
import { Avatar } from './avatar.tsx';
import { t } from './i18n.ts';
import { isSame } from './names.ts';
import type { Session } from './session.ts';
import { useLive } from './store.ts';

interface RoomPeopleProps {
  session: Session;
  room: Room;
  info: RoomInfo;
  mayManage: boolean;
  act: (run: () => Promise<unknown>) => Promise<void>;
}

interface People {
  members: string[];
  bans: string[];
  mutes: string[];
}

const NOBODY: People = { members: [], bans: [], mutes: [] };

/** Members, people who are here, and for those who may: who is banned, who is muted. */
export function RoomPeople({ session, room, info, mayManage, act }: RoomPeopleProps) {
  const { chat } = session;
  const here = useLive(room, () => room.users);
  const [{ members, bans, mutes }, setPeople] = useState(NOBODY);
  const { name } = room;

  async function load(): Promise<void> {
    const api = await chat.api;
    const names = (people: { username: string }[]) => people.map(({ username }) => username);
    const isMember = info.private || mayManage;
    setPeople({
      members: isMember ? names(await api.members(name)) : [],
      bans: mayManage ? names(await api.bans(name)) : [],
      mutes: mayManage ? names(await api.mutes(name)) : [],
    });
  }

  useEffect(() => void act(load), [room, mayManage]);

  const change = (run: (api: Awaited<typeof chat.api>) => Promise<void>) =>
    act(async () => {
      await run(await chat.api);
      await load();
    });
  const isIn = (names: string[], username: string) => names.some((one) => isSame(one, username));
  const all = [...new Set([...members, ...here])];
  return (
    <>
      {mayManage && (
        <form
          class="line-form"
          onSubmit={(event) => {
            event.preventDefault();
            const form = event.currentTarget;
            const username = `${new FormData(form).get('username')}`.trim();
            if (!username) return;
            void change((api) => api.addMember(name, username)).then(() => form.reset());
          }}
        >
          <input
            name="username"
            aria-label={t('addMember')}
            placeholder={t('addMember')}
            maxLength={64}
          />
          <button type="submit">{t('add')}</button>
        </form>
      )}
      <h3>{info.private ? t('members') : t('hereNow')}</h3>
      <ul class="member-list">
        {all.map((username) => {
          const isMuted = isIn(mutes, username);
          const isOwner = info.owner !== null && isSame(info.owner, username);
          const mayAct = mayManage && !isOwner && !isSame(username, session.username);
          return (
            <li key={username}>
              <Avatar name={username} isSmall />
              <span class="clip">
                <bdi>{username}</bdi>
              </span>
              {isOwner && <span class="tag">{t('owner')}</span>}
              {isMuted && <span class="tag">{t('muted')}</span>}
              {mayAct && (
                <span class="member-actions">
                  <button
                    type="button"
                    class="quiet small"
                    onClick={() =>
                      change((api) =>
                        isMuted ? api.unmute(name, username) : api.mute(name, username),
                      )
                    }
                  >
                    {isMuted ? t('unmute') : t('mute')}
                  </button>
                  {isIn(members, username) && (
                    <button
                      type="button"
                      class="quiet small"
                      onClick={() => change((api) => api.removeMember(name, username))}
                    >
                      {t('remove')}
                    </button>
                  )}
                  <button
                    type="button"
                    class="quiet small danger"
                    onClick={() => change((api) => api.ban(name, username))}
                  >
                    {t('ban')}
                  </button>
                </span>
              )}
            </li>
          );
        })}
      </ul>
      {bans.length > 0 && (
        <>
          <h3>{t('banned')}</h3>
          <ul class="member-list">
            {bans.map((username) => (
              <li key={username}>
                <Avatar name={username} isSmall />
                <span class="clip">
                  <bdi>{username}</bdi>
                </span>
                <button
                  type="button"
                  class="quiet small"
                  onClick={() => change((api) => api.unban(name, username))}
                >
                  {t('unban')}
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
