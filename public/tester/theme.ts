import { Store } from './store.ts';

export type Theme = 'system' | 'light' | 'dark';

const KEPT_AS = 'ws-chat.theme';

export const theme = new Store<Theme>((localStorage.getItem(KEPT_AS) as Theme) ?? 'system');

/** The next one: a switch of three positions. */
export function switchTheme(): void {
  const next = { system: 'light', light: 'dark', dark: 'system' } as const;
  theme.set(next[theme.value]);
  localStorage.setItem(KEPT_AS, theme.value);
}
