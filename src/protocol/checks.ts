import { ChatError, invalidField } from '../errors.ts';

/** The expected values in words, for both the `description` of a schema and the error sentence. */
export const expected = {
  username:
    'a name: 1 to 32 visible letters, marks and digits of any script, "_", "." or "-", beginning with a letter or digit, not "active" or "me"',
  room: 'a room: 1 to 64 of a-z 0-9 _ . : -',
  id: 'an id: 1 to 64 characters, a UUID for example',
  content: 'text that is not blank',
  eventName: 'the name of an event: 1 to 64 characters',
  password: 'a password of 8 to 256 characters',
  emoji: 'one emoji, such as 👍',
} as const;

/**
 * Letters and marks that cannot be seen, which would make two names look the same: those that Unicode calls
 * default ignorable, and five marks that it does not, which only control how their neighbours
 * are drawn (Tifinagh and Brahmi joiners, the Egyptian mirror, the Khitan filler, the Duployan selector).
 */
const INVISIBLE = /[\p{DI}\u{2D7F}\u{1107F}\u{13440}\u{16FE4}\u{1BC9D}]/u;
const USERNAME = /^[\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}_.-]{0,31}$/u;
/** The most UTF-16 units of a name before NFKC: 32 letters outside the BMP, each with a mark. */
const MAX_RAW_NAME_LENGTH = 128;
/** Paths such as `/users/active` and `/me` use these in the place of a name. */
const RESERVED_USERNAMES = new Set(['active', 'me']);
/** Matched before it is lower-cased, since the Kelvin sign would become a `k`. */
const ROOM = /^[A-Za-z0-9_.:-]{1,64}$/;

/**
 * More marks in a row than any language writes. Normalising sorts the marks of a letter in quadratic time, so
 * this is checked before. Two half-width forms are letters that become marks by NFKC.
 *
 * @see https://unicode.org/reports/tr15/#Stream_Safe_Text_Format
 */
const TOO_MANY_MARKS = /[\p{M}\uFF9E\uFF9F]{31}/u;

/** A user's name as it is shown, and the key by which two spellings are the same user. */
export interface Username {
  name: string;
  key: string;
}

/**
 * Checks a username: its raw length, then its form after NFKC.
 *
 * @param field of the name, for the error
 * @throws {ChatError} `invalid_frame`
 */
export function parseUsername(raw: string, field = 'username'): Username {
  if (raw.length <= MAX_RAW_NAME_LENGTH && !TOO_MANY_MARKS.test(raw)) {
    const name = raw.normalize('NFKC');
    const key = name.toLowerCase();
    const isName = USERNAME.test(name) && !INVISIBLE.test(name);
    if (isName && !RESERVED_USERNAMES.has(key)) return { name, key };
  }
  throw invalidField(field, `must be ${expected.username}`);
}

/** The error for an input without a user. */
export function missingUsername(): ChatError {
  return invalidField('username', `is missing; it must be ${expected.username}`);
}

/** Whether two spellings are of one name. @throws {ChatError} `invalid_frame` */
export function isSameName(one: string, other: string): boolean {
  return parseUsername(one).key === parseUsername(other).key;
}

/**
 * Checks the name of a room and returns it in lower case. The services find out whether the room exists and
 * may be entered.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function parseRoomName(raw: string, field = 'room'): string {
  if (!ROOM.test(raw)) throw invalidField(field, `must be ${expected.room}`);
  return raw.toLowerCase();
}

/**
 * Checks the content of a message.
 *
 * @param maxLength characters (code points), of which an emoji may have several
 * @throws {ChatError} `invalid_frame` or `too_long`
 */
export function checkContent(content: string, maxLength: number): void {
  if (exceeds(content, maxLength)) {
    throw new ChatError('too_long', `"content" must have at most ${maxLength} characters`);
  }
  if (!/\S/u.test(content)) {
    throw invalidField('content', `must be ${expected.content}`);
  }
  checkText('content', content);
}

/** Whether a text has more characters than this; a character has one or two UTF-16 units, so few texts are counted. */
function exceeds(text: string, characters: number): boolean {
  if (text.length <= characters) return false;
  return text.length > 2 * characters || [...text].length > characters;
}

/**
 * Checks the text of a search.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function checkSearchText(text: string): void {
  if (exceeds(text, 256)) {
    throw invalidField('q', 'must be words in at most 256 characters');
  }
  checkText('q', text);
}

/** Checks a text that is stored and may be normalised. @throws {ChatError} `invalid_frame` */
function checkText(field: string, text: string): void {
  checkStorable(field, text);
  if (TOO_MANY_MARKS.test(text)) {
    throw invalidField(field, 'must have at most 30 marks in a row');
  }
}

/**
 * Checks the client id of a message.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function checkClientId(id: string): void {
  if (id.length < 1 || id.length > 64) {
    throw invalidField('id', `must be ${expected.id}`);
  }
  checkStorable('id', id);
}

/** Refuses text that Postgres cannot store as UTF-8: half a surrogate pair, or the NUL character. */
function checkStorable(field: string, text: string): void {
  if (!text.isWellFormed()) {
    throw invalidField(field, 'contains half of a surrogate pair; it must be valid Unicode');
  }
  if (text.includes('\0')) {
    throw invalidField(field, 'contains a NUL character, which must be left out');
  }
}

/**
 * Checks a new password.
 *
 * @throws {ChatError} `invalid_frame`
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver for the least length, and for no
 *   further rules
 */
export function checkPassword(field: string, password: string): void {
  if (exceeds(password, 256) || [...password].length < 8 || !password.isWellFormed()) {
    throw invalidField(field, `must be ${expected.password}`);
  }
}

/**
 * Checks the name of an ephemeral event.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function checkEventName(name: string): void {
  if (name.length < 1 || name.length > 64 || !name.isWellFormed()) {
    throw invalidField('name', `must be ${expected.eventName}`);
  }
}

/**
 * Checks the topic of a room.
 *
 * @throws {ChatError} `invalid_frame`
 */
export function checkTopic(topic: string): void {
  if (exceeds(topic, 256)) {
    throw invalidField('topic', 'must be text of at most 256 characters');
  }
  checkText('topic', topic);
}

/** More levels than any sensible message has; writing JSON thousands of levels deep takes a third of a second. */
const MAX_DATA_DEPTH = 32;
/** The most bytes of its JSON, which fits into a frame even with the longest content. */
const MAX_DATA_BYTES = 32 * 1024;

/**
 * Checks the `data` of a message.
 *
 * @throws {ChatError} `invalid_frame` or `too_long`
 */
export function checkData(data: unknown): void {
  if (data === undefined) return;
  if (depthExceeds(data, MAX_DATA_DEPTH)) {
    throw invalidField('data', `must be JSON of at most ${MAX_DATA_DEPTH} levels`);
  }
  if (Buffer.byteLength(JSON.stringify(data)) > MAX_DATA_BYTES) {
    throw new ChatError('too_long', `"data" must have at most ${MAX_DATA_BYTES} bytes as JSON`);
  }
}

/** The most levels of any input: more than `data` may have, and few enough to walk through. */
export const MAX_DEPTH = 64;

/** Whether objects and arrays are nested deeper than this; deeper levels are not visited. */
export function depthExceeds(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => depthExceeds(inner, levels - 1));
}

/** UTF-16 units; the longest emoji of Unicode 17 has 15. */
const MAX_EMOJI_LENGTH = 64;
/** An emoji may be written with or without this character, which selects its coloured form. */
const VARIATION_SELECTOR = '\uFE0F';

/**
 * Checks an emoji, and returns its recommended spelling, so that two spellings are one reaction.
 *
 * @throws {ChatError} `invalid_frame`
 * @see https://unicode.org/reports/tr51/#def_rgi_set
 */
export function parseEmoji(raw: string): string {
  const bare = raw.slice(0, MAX_EMOJI_LENGTH).replaceAll(VARIATION_SELECTOR, '');
  const emoji = [raw, bare, bare + VARIATION_SELECTOR].find(
    (each) => raw.length <= MAX_EMOJI_LENGTH && /^\p{RGI_Emoji}$/v.test(each),
  );
  if (emoji === undefined) {
    throw invalidField('emoji', `must be ${expected.emoji}`);
  }
  return emoji;
}
