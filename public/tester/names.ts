/** As docs/protocol.md has them; the server checks the same. */
const USERNAME = /^[\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}_.-]{0,31}$/u;
const ROOM = /^[a-z0-9_.:-]{1,64}$/;

export const isUsername = (name: string): boolean =>
  USERNAME.test(name.normalize('NFKC')) && !['active', 'me'].includes(name.toLowerCase());

export const isRoom = (name: string): boolean => ROOM.test(name) && !name.startsWith('dm:');

/** Whether two names are the same user's. */
export const isSame = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** One of eight colours, always the same for a name. */
export function hueOf(name: string): number {
  let hash = 7;
  for (const char of name.toLowerCase()) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % 8;
}

const graphemes = new Intl.Segmenter();

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const [first = '', second = ''] = name.split(/[_.-]+/).filter(Boolean);
  const letter = (part: string) => [...graphemes.segment(part)][0]?.segment[0] ?? '';
  const two = second ? letter(first) + letter(second) : letter(first);
  return two.toUpperCase();
}
