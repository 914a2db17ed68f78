import { useEffect, useState } from 'preact/hooks';
import type { Api, OwnRoom, RoomInfo } from '../../client/index.ts';
import type { Session } from './session.ts';
import { useLive } from './store.ts';

/** Rooms that the server lists at once, and how many such pages are asked for. */
const PAGE = 100;
const MAX_PAGES = 10;

interface RoomLists {
  all: RoomInfo[];
  own: OwnRoom[];
}

/** All rooms, and the user's own, looked at again when the connection stands anew, and when a room is opened or left. */
export function useRoomLists({ chat }: Session): RoomLists {
  const opened = useLive(chat, () => chat.rooms);
  const isLive = useLive(chat, () => chat.status.state === 'live');
  const [lists, setLists] = useState<RoomLists>({ all: [], own: [] });
  useEffect(() => {
    if (!isLive) return;
    let isCurrent = true;
    const load = async () => {
      const api = await chat.api;
      const [all, own] = await Promise.all([allRooms(api), api.myRooms()]);
      if (isCurrent) setLists({ all, own });
    };
    // The list is not needed to chat; it is asked for again at the next change.
    load().catch(() => {});
    return () => {
      isCurrent = false;
    };
  }, [chat, opened, isLive]);
  return lists;
}

async function allRooms(api: Api): Promise<RoomInfo[]> {
  const all: RoomInfo[] = [];
  for (let page = 0; page < MAX_PAGES; page++) {
    const found = await api.rooms(all.at(-1)?.name);
    all.push(...found);
    if (found.length < PAGE) break;
  }
  return all;
}
