import { Store } from './store.ts';

export const PANELS = ['frames', 'compose', 'cut', 'load', 'second', 'admin'] as const;
export type Panel = (typeof PANELS)[number];

/** What a link to the page says: which panel is open, and what is in it. Never a token. */
export interface Place {
  panel: Panel;
  /** On a narrow screen: which of the two is seen. */
  side: 'chat' | 'wire';
  username?: string | undefined;
  room?: string | undefined;
  /** The filter of the log. */
  filter?: string | undefined;
  /** The frame in the composer. */
  frame?: string | undefined;
  path?: string | undefined;
  query?: string | undefined;
}

const TEXTS = ['username', 'room', 'filter', 'frame', 'path', 'query'] as const;

function read(): Place {
  const hash = location.hash.slice(1);
  const isAdmin = hash === 'admin';
  const params = new URLSearchParams(isAdmin ? 'panel=admin' : hash);
  const panel = PANELS.find((name) => name === params.get('panel')) ?? 'frames';
  const place: Place = { panel, side: params.has('panel') ? 'wire' : 'chat' };
  for (const name of TEXTS) place[name] = params.get(name) ?? undefined;
  return place;
}

/** Where in the page one is. */
export const place = new Store<Place>(read());

addEventListener('hashchange', () => place.set(read()));

export function goTo(change: Partial<Place>): void {
  place.set({ ...place.value, ...change });
}

/** A link that opens the page as it is now. */
export function linkTo({ panel, ...rest }: Place): string {
  const params = new URLSearchParams({ panel });
  for (const name of TEXTS) {
    const value = rest[name];
    if (value) params.set(name, value.replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, ''));
  }
  return `${location.origin}/test#${params}`;
}
