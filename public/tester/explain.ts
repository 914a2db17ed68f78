import type { ChatError } from '../../client/index.ts';
import { t } from './i18n.ts';
import { en } from './texts/en.ts';

/** What went wrong, in words of the page. */
export function explain({ code, message, retryAfter }: ChatError): string {
  const key = `error.${code}`;
  if (!isKey(key)) return message;
  const wait = retryAfter ? ` ${t('tryAgainIn', { n: Math.ceil(retryAfter) })}` : '';
  return t(key) + wait;
}

/** What a close code means. */
export function explainClose(code: number): string {
  const key = `close.${code}`;
  return isKey(key) ? t(key) : t('close.other');
}

function isKey(key: string): key is keyof typeof en {
  return key in en;
}
