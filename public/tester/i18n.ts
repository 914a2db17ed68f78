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

/** Makes formatters once for each language: to make one costs some fifty times as much as to use it. */
function inLanguage<Formatter>(make: (tag: Language) => Formatter): () => Formatter {
  const made = new Map<Language, Formatter>();
  return () => {
    const formatter = made.get(language.value) ?? make(language.value);
    made.set(language.value, formatter);
    return formatter;
  };
}

const dates = (options: Intl.DateTimeFormatOptions) =>
  inLanguage((tag) => new Intl.DateTimeFormat(tag, options));

const plurals = inLanguage((tag) => new Intl.PluralRules(tag));
const lists = inLanguage((tag) => new Intl.ListFormat(tag));
const wholes = inLanguage((tag) => new Intl.NumberFormat(tag, { maximumFractionDigits: 0 }));
const hours = dates({ timeStyle: 'short' });
const days = dates({ dateStyle: 'full' });
const shortMoments = dates({ dateStyle: 'medium', timeStyle: 'short' });
const moments = dates({ dateStyle: 'full', timeStyle: 'medium' });

/**
 * A text in the language of the page.
 *
 * @param values stand in place of `{name}`; `n` also chooses between the forms that `|` divides
 */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  const forms = tables[language.value][key].split('|');
  const isOne = plurals().select(Number(values.n ?? 0)) === 'one';
  const form = (isOne ? forms[0] : forms.at(-1)) ?? key;
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? number(value) : value;
  });
}

export function number(value: number, digits = 0): string {
  if (digits === 0) return wholes().format(value);
  return value.toLocaleString(language.value, { maximumFractionDigits: digits });
}

/** A time of the day, such as 14:05. */
export function hour(date: Date): string {
  return hours().format(date);
}

/** A day, as a separator names it. */
export function day(date: Date): string {
  const ago = Math.round((startOf(new Date()) - startOf(date)) / 86_400_000);
  if (ago === 0) return t('today');
  if (ago === 1) return t('yesterday');
  return days().format(date);
}

/** A day and the time, in short. */
export function shortMoment(date: Date): string {
  return shortMoments().format(date);
}

/** A day and the time, for tooltips. */
export function moment(date: Date): string {
  return moments().format(date);
}

export function list(names: readonly string[]): string {
  return lists().format(names);
}

function startOf(date: Date): number {
  return new Date(date).setHours(0, 0, 0, 0);
}
