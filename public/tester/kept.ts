/** What the tab remembers over a reload. The token is nowhere else. */
export interface Kept {
  username: string;
  room: string;
  token?: string;
}

const IN_TAB = 'ws-chat.session';
const LAST = 'ws-chat.last';

/** What a reload goes on with. */
export function keptSession(): Kept | undefined {
  const text = sessionStorage.getItem(IN_TAB);
  return text ? JSON.parse(text) : undefined;
}

export function keepSession(kept: Kept | undefined): void {
  if (!kept) return void sessionStorage.removeItem(IN_TAB);
  sessionStorage.setItem(IN_TAB, JSON.stringify(kept));
  const { username, room } = kept;
  localStorage.setItem(LAST, JSON.stringify({ username, room }));
}

/** What the form is filled with on the next visit. */
export function lastVisit(): Partial<Kept> {
  return JSON.parse(localStorage.getItem(LAST) ?? '{}');
}
