import { useEffect, useState } from 'preact/hooks';
import type { OwnRoom, RoomInfo } from '../../client/index.ts';
import type { Session } from './session.ts';
import { useLive } from './store.ts';

/** As many rooms as a page of `GET /rooms` has. */
const PAGE = 100;

interface RoomLists {
  /** The rooms that can be entered, by name, as far as they were loaded. */
  all: RoomInfo[];
  own: OwnRoom[];
  /** Whether `all` are all that there are. */
  isWhole: boolean;
}

/**
 * The first rooms by name, and the user's own, loaded again when the connection stands anew, and when a room is
 * opened or left; `more` loads the next ones, if there are any.
 */
export function useRoomLists({ chat }: Session): RoomLists & { more?: () => void } {
  const opened = useLive(chat, () => chat.rooms);
  const isLive = useLive(chat, () => chat.status.state === 'live');
  const [lists, setLists] = useState<RoomLists>({ all: [], own: [], isWhole: true });
  useEffect(() => {
    if (!isLive) return;
    let isCurrent = true;
    const load = async () => {
      const api = await chat.api;
      const [all, own] = await Promise.all([api.rooms(), api.myRooms()]);
      if (isCurrent) setLists({ all, own, isWhole: all.length < PAGE });
    };
    // The list is not needed to chat; it is asked for again at the next change.
    load().catch(() => {});
    return () => {
      isCurrent = false;
    };
  }, [chat, opened, isLive]);
  if (lists.isWhole) return lists;
  const more = async () => {
    const next = await (await chat.api).rooms(lists.all.at(-1)?.name).catch(() => undefined);
    if (!next) return;
    const grown = { ...lists, all: [...lists.all, ...next], isWhole: next.length < PAGE };
    setLists((now) => (now === lists ? grown : now));
  };
  return { ...lists, more };
}
