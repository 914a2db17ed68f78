import { Store } from './store.ts';
import { en, type Texts } from './texts/en.ts';
import { id } from './texts/id.ts';

export const LANGUAGES = { en: 'English', id: 'Bahasa Indonesia' } as const;
export type Language = keyof typeof LANGUAGES;
export type TextKey = keyof Texts;

const tables: Record<Language, Texts> = { en, id };
const KEPT_AS = 'ws-chat.language';

function preferred(): Language {
  const kept = localStorage.getItem(KEPT_AS);
  const wanted = [kept ?? '', ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag): tag is Language => tag in tables) ?? 'en';
}

/** The language that the page speaks. */
export const language = new Store<Language>(preferred());

export function speak(wanted: Language): void {
  localStorage.setItem(KEPT_AS, wanted);
  language.set(wanted);
}

/**
 * A text in the language of the page.
 *
 * @param values stand in place of `{name}`; `n` also chooses between the forms that `|` divides
 */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  const forms = tables[language.value][key].split('|');
  const isOne = new Intl.PluralRules(language.value).select(Number(values.n ?? 0)) === 'one';
  const form = (isOne ? forms[0] : forms.at(-1)) ?? key;
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? number(value) : value;
  });
}

export function number(value: number, digits = 0): string {
  return value.toLocaleString(language.value, { maximumFractionDigits: digits });
}

/** A time of the day, such as 14:05. */
export function hour(date: Date): string {
  return date.toLocaleTimeString(language.value, { timeStyle: 'short' });
}

/** A day, as a separator names it. */
export function day(date: Date): string {
  const days = Math.round((startOf(new Date()) - startOf(date)) / 86_400_000);
  if (days === 0) return t('today');
  if (days === 1) return t('yesterday');
  return date.toLocaleDateString(language.value, { dateStyle: 'full' });
}

/** A day and the time, in short. */
export function shortMoment(date: Date): string {
  return date.toLocaleString(language.value, { dateStyle: 'medium', timeStyle: 'short' });
}

/** A day and the time, for tooltips. */
export function moment(date: Date): string {
  return date.toLocaleString(language.value, { dateStyle: 'full', timeStyle: 'medium' });
}

export function list(names: readonly string[]): string {
  return new Intl.ListFormat(language.value).format(names);
}

function startOf(date: Date): number {
  return new Date(date).setHours(0, 0, 0, 0);
}
